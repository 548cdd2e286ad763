// What the server says in the classic dialect, checked where it enters the page.

import type { types } from "mediasoup-client";
import { RequestError } from "../protoo/client";
import type { Json } from "../protoo/messages";
import type { Peer, RemoteMedia, RemoteSource } from "../store/state";

export interface NewConsumer {
  peerId: string;
  producerId: string;
  id: string;
  kind: "audio" | "video";
  rtpParameters: types.RtpParameters;
  producerPaused: boolean;
  source: RemoteSource;
}

export function readNewConsumer(data: Json): NewConsumer {
  const kind = data.kind === "audio" ? "audio" : "video";
  const appData = (data.appData ?? {}) as Json;
  // Newer clients name the source where classic ones set a flag.
  const share = appData.share === true || appData.source === "screensharing";
  return {
    peerId: text(data, "peerId"),
    producerId: text(data, "producerId"),
    id: text(data, "id"),
    kind,
    rtpParameters: data.rtpParameters as types.RtpParameters,
    producerPaused: data.producerPaused === true,
    source: kind === "audio" ? (share ? "screen-audio" : "mic") : share ? "screen" : "camera",
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

export function readLayers(data: Json): RemoteMedia["layers"] {
  const { spatialLayer: spatial, temporalLayer: temporal } = data;
  if (typeof spatial !== "number") return undefined;
  return { spatial, temporal: typeof temporal === "number" ? temporal : 0 };
}
