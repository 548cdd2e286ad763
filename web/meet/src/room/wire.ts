// What the server says in the classic dialect, checked where it enters the page.

import { parseScalabilityMode, type types } from "mediasoup-client";
import type { LayerCount, Layers } from "../media/layers";
import { RequestError } from "../protoo/client";
import type { Json } from "../protoo/messages";
import type { Peer, RemoteSource } from "../store/state";

export interface NewConsumer {
  peerId: string;
  producerId: string;
  id: string;
  kind: "audio" | "video";
  rtpParameters: types.RtpParameters;
  producerPaused: boolean;
  source: RemoteSource;
  count: LayerCount;
}

export function readNewConsumer(data: Json): NewConsumer {
  const kind = data.kind === "audio" ? "audio" : "video";
  const appData = (data.appData ?? {}) as Json;
  // Newer clients name the source where classic ones set a flag.
  const rtpParameters = data.rtpParameters as types.RtpParameters;
  const mode = parseScalabilityMode(rtpParameters?.encodings?.[0]?.scalabilityMode);
  const share = appData.share === true || appData.source === "screensharing";
  return {
    peerId: text(data, "peerId"),
    producerId: text(data, "producerId"),
    id: text(data, "id"),
    kind,
    rtpParameters,
    producerPaused: data.producerPaused === true,
    source: kind === "audio" ? (share ? "screen-audio" : "mic") : share ? "screen" : "camera",
    count: { spatial: mode.spatialLayers, temporal: mode.temporalLayers },
  };
}

export function readPeer(data: Json): Peer {
  const name = typeof data.displayName === "string" ? data.displayName.trim() : "";
  return { id: text(data, "id"), name: name || "Guest" };
}

export function readPeers(answer: unknown): Peer[] {
  const peers = (answer as Json | null)?.peers;
  return Array.isArray(peers) ? peers.map((peer) => readPeer(peer as Json)) : [];
}

export function text(data: Json, key: string): string {
  const value = data[key];
  if (typeof value !== "string") throw new RequestError(400, `${key} is missing`);
  return value;
}

export function readLayers(data: Json): Layers | undefined {
  const { spatialLayer: spatial, temporalLayer: temporal } = data;
  if (typeof spatial !== "number") return undefined;
  return { spatial, temporal: typeof temporal === "number" ? temporal : 0 };
}

export function readScore(data: Json): number | undefined {
  const score = (data.score as Json | null | undefined)?.score;
  return typeof score === "number" ? score : undefined;
}

// Which encodings of a producer somebody watches.
export function readDemand(data: Json): { producerId: string; encodings: boolean[] } {
  const { encodings } = data;
  if (!Array.isArray(encodings) || encodings.length === 0)
    throw new RequestError(400, "encodings are missing");
  return { producerId: text(data, "producerId"), encodings: encodings.map((wanted) => wanted !== false) };
}

export interface NewDataConsumer {
  // Null: the room's bot.
  peerId: string | null;
  dataProducerId: string;
  id: string;
  sctpStreamParameters: types.SctpStreamParameters;
  label: string;
  protocol: string;
}

export function readNewDataConsumer(data: Json): NewDataConsumer {
  const { peerId, label, protocol } = data;
  return {
    peerId: typeof peerId === "string" ? peerId : null,
    dataProducerId: text(data, "dataProducerId"),
    id: text(data, "id"),
    sctpStreamParameters: data.sctpStreamParameters as types.SctpStreamParameters,
    label: typeof label === "string" ? label : "",
    protocol: typeof protocol === "string" ? protocol : "",
  };
}

// Who can be heard, and how loud in dBov.
export function readVolumes(data: Json): Map<string, number> {
  const { peerVolumes } = data;
  const volumes = new Map<string, number>();
  for (const entry of Array.isArray(peerVolumes) ? (peerVolumes as (Json | null)[]) : []) {
    const { peerId, volume } = entry ?? {};
    if (typeof peerId === "string" && typeof volume === "number") volumes.set(peerId, volume);
  }
  return volumes;
}

export function readDominant(data: Json): string | undefined {
  return typeof data.peerId === "string" ? data.peerId : undefined;
}
