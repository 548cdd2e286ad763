// What is said in the dialect `plenum`, checked where it enters.

import { parseScalabilityMode, type types } from "mediasoup-client";
import { RequestError } from "../errors.js";
import type { ClientRequests, Grants, Role, Subscription } from "../generated/plenum.js";
import type { Layers } from "../media/layers.js";
import { isObject, type Json, object } from "./frames.js";

export type { Grants, Role, Subscription };

export type Right = Grants["publish"][number];

// What the server is asked, as it declares it. Answers are read by the functions below.
export type Ask = <M extends keyof ClientRequests>(
  method: M,
  data: ClientRequests[M]["data"],
) => Promise<Json>;

export interface DeviceInfo {
  flag: string;
  name: string;
  version: string;
}

export interface RoomInfo {
  name: string;
  namespace: string;
  locked: boolean;
  lobby: boolean;
  maxPeers: number | undefined;
  metadata: unknown;
}

export interface ProducerInfo {
  producerId: string;
  kind: "audio" | "video";
  appData: Json;
  paused: boolean;
}

export interface PeerInfo {
  peerId: string;
  displayName: string;
  device: Json;
  role: Role;
  handRaised: boolean;
  appData: Json;
  producers: ProducerInfo[];
}

export interface TransportInfo {
  id: string;
  iceParameters: types.IceParameters;
  iceCandidates: types.IceCandidate[];
  dtlsParameters: types.DtlsParameters;
  sctpParameters: types.SctpParameters | undefined;
}

export interface Welcome {
  peerId: string;
  // What the token says; undefined if it leaves that to the client.
  displayName: string | undefined;
  // Undefined while the room has not decided.
  role: Role | undefined;
  grants: Grants;
  routerRtpCapabilities: types.RtpCapabilities;
  // Undefined without the right to send.
  send: TransportInfo | undefined;
  // Undefined without the right to receive.
  recv: TransportInfo | undefined;
  iceServers: RTCIceServer[];
  room: RoomInfo;
  peers: PeerInfo[];
  // Where to go when the node does not answer any more.
  nodes: string[];
}

export interface Joined {
  peers: PeerInfo[];
  // How this client is called in the room.
  displayName: string | undefined;
  role: Role | undefined;
  grants: Grants | undefined;
}

export interface NewConsumer {
  id: string;
  peerId: string;
  producerId: string;
  kind: "audio" | "video";
  rtpParameters: types.RtpParameters;
  producerPaused: boolean;
  appData: Json;
  count: Layers;
  score: number | undefined;
}

export interface NewDataConsumer {
  id: string;
  // Null: nobody in the room, but its bot.
  peerId: string | null;
  dataProducerId: string;
  sctpStreamParameters: types.SctpStreamParameters;
  label: string;
  protocol: string;
}

export function text(data: Json, key: string): string {
  const value = data[key];
  if (typeof value !== "string") throw new RequestError(400, `${key} is missing`);
  return value;
}

export function texts(data: Json, key: string): string[] {
  return list(data[key]).filter((one) => typeof one === "string");
}

export function readWelcome(data: Json): Welcome {
  const transports = object(data.transports);
  const room = object(data.room);
  return {
    peerId: text(data, "peerId"),
    displayName: readName(data),
    role: readRole(data.role),
    grants: readGrants(data.grants),
    routerRtpCapabilities: data.routerRtpCapabilities as types.RtpCapabilities,
    send: isObject(transports.send) ? readTransport(transports.send) : undefined,
    recv: isObject(transports.recv) ? readTransport(transports.recv) : undefined,
    iceServers: list(data.iceServers) as RTCIceServer[],
    room: { name: text(room, "name"), namespace: text(room, "namespace"), ...readRoomState(room) },
    peers: readPeers(room),
    nodes: texts(data, "nodes"),
  };
}

export function readTransport(data: Json): TransportInfo {
  return {
    id: text(data, "transportId"),
    iceParameters: data.iceParameters as types.IceParameters,
    iceCandidates: list(data.iceCandidates) as types.IceCandidate[],
    dtlsParameters: data.dtlsParameters as types.DtlsParameters,
    sctpParameters: (data.sctpParameters ?? undefined) as types.SctpParameters | undefined,
  };
}

// What hosts can change of a room.
export type RoomState = Pick<RoomInfo, "locked" | "lobby" | "maxPeers" | "metadata">;

export function readRoomState(data: Json): RoomState {
  return {
    locked: data.locked === true,
    lobby: data.lobby === true,
    maxPeers: typeof data.maxPeers === "number" ? data.maxPeers : undefined,
    metadata: data.metadata ?? undefined,
  };
}

export function readPeers(data: Json): PeerInfo[] {
  return list(data.peers).filter(isObject).map(readPeer);
}

export function readPeer(data: Json): PeerInfo {
  return {
    peerId: text(data, "peerId"),
    displayName: readName(data) ?? "",
    device: object(data.device),
    role: readRole(data.role) ?? "speaker",
    handRaised: data.handRaised === true,
    appData: object(data.appData),
    producers: list(data.producers).filter(isObject).map(readProducer),
  };
}

export function readProducer(data: Json): ProducerInfo {
  return {
    producerId: text(data, "producerId"),
    kind: data.kind === "audio" ? "audio" : "video",
    appData: object(data.appData),
    paused: data.paused === true,
  };
}

export function readJoined(data: Json): Joined {
  return {
    peers: readPeers(data),
    displayName: readName(data),
    role: readRole(data.role),
    grants: isObject(data.grants) ? readGrants(data.grants) : undefined,
  };
}

function readName({ displayName }: Json): string | undefined {
  return typeof displayName === "string" ? displayName : undefined;
}

export function readRole(value: unknown): Role | undefined {
  return value === "host" || value === "speaker" || value === "listener" ? value : undefined;
}

const RIGHTS: readonly unknown[] = ["audio", "video", "screen", "data"];

export function readGrants(value: unknown): Grants {
  const data = object(value);
  const publish = Array.isArray(data.publish) ? data.publish : RIGHTS;
  return {
    publish: publish.filter((right): right is Right => RIGHTS.includes(right)),
    subscribe: data.subscribe !== false,
    hidden: data.hidden === true,
    admin: data.admin === true,
    record: data.record === true,
  };
}

export function readNewConsumer(data: Json): NewConsumer {
  const rtpParameters = data.rtpParameters as types.RtpParameters;
  const mode = parseScalabilityMode(rtpParameters?.encodings?.[0]?.scalabilityMode);
  return {
    id: text(data, "consumerId"),
    peerId: text(data, "peerId"),
    producerId: text(data, "producerId"),
    kind: data.kind === "audio" ? "audio" : "video",
    rtpParameters,
    producerPaused: data.producerPaused === true,
    appData: object(data.appData),
    count: { spatial: mode.spatialLayers, temporal: mode.temporalLayers },
    score: score(data.consumerScore),
  };
}

export function readNewDataConsumer(data: Json): NewDataConsumer {
  const { peerId, label, protocol } = data;
  return {
    id: text(data, "dataConsumerId"),
    peerId: typeof peerId === "string" ? peerId : null,
    dataProducerId: text(data, "dataProducerId"),
    sctpStreamParameters: data.sctpStreamParameters as types.SctpStreamParameters,
    label: typeof label === "string" ? label : "",
    protocol: typeof protocol === "string" ? protocol : "",
  };
}

// The layers are members of their own, or there are none.
export function readLayers(data: Json): Layers | undefined {
  const { spatialLayer: spatial, temporalLayer: temporal } = isObject(data.layers) ? data.layers : data;
  if (typeof spatial !== "number") return undefined;
  return { spatial, temporal: typeof temporal === "number" ? temporal : 0 };
}

export function readScore(data: Json): number | undefined {
  return score(data.score);
}

function score(value: unknown): number | undefined {
  const inner = isObject(value) ? value.score : value;
  return typeof inner === "number" ? inner : undefined;
}

// Which encodings of a producer somebody watches.
export function readDemand(data: Json): { producerId: string; encodings: boolean[] } {
  const encodings = list(data.encodings);
  if (encodings.length === 0) throw new RequestError(400, "encodings are missing");
  return { producerId: text(data, "producerId"), encodings: encodings.map((wanted) => wanted !== false) };
}

// Who can be heard, and how loud in dBov.
export function readVolumes(data: Json): Map<string, number> {
  const volumes = new Map<string, number>();
  for (const entry of list(data.peerVolumes).filter(isObject)) {
    const { peerId, volume } = entry;
    if (typeof peerId === "string" && typeof volume === "number") volumes.set(peerId, volume);
  }
  return volumes;
}

export function readSpeaker(data: Json): string | undefined {
  return typeof data.peerId === "string" ? data.peerId : undefined;
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
