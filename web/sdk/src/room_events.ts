// What a room tells.

import type { End } from "./errors.js";
import type { LocalTrack } from "./local.js";
import type { Source } from "./media/source.js";
import type { ModelEvents } from "./model.js";
import type { DataMessage } from "./receiving.js";
import type { RemoteTrack } from "./remote.js";

export type RoomState =
  // On the way in, for the first time or after everything was lost.
  | "joining"
  // Somebody must let this client in.
  | "waiting"
  | "joined"
  | "ended";

export interface ConnectionState {
  // "weak": signalling works, media does not; "resuming": back in a moment, nothing is lost; "down": made anew.
  state: "connecting" | "up" | "weak" | "resuming" | "down";
  attempt: number;
  // When the next attempt is due, in the clock of Date.now().
  retryAt: number;
}

export interface RoomEvents extends ModelEvents {
  // The room is joined, for the first time (`again` false) or anew. The peers are those of `room.peers`.
  joined: [again: boolean];
  // Somebody must let this client in; `joined` or `ended` follows.
  waiting: [];
  ended: [end: End];
  connection: [state: ConnectionState];
  trackAdded: [track: RemoteTrack];
  // The same picture or sound comes over another connection, because the room has moved.
  trackReplaced: [track: RemoteTrack, before: RemoteTrack];
  // Paused or resumed by the sender, other layers, another score.
  trackChanged: [track: RemoteTrack];
  trackRemoved: [track: RemoteTrack];
  // A host has paused something of one's own.
  muted: [local: LocalTrack];
  // A host has stopped something of one's own, or it may not be sent any more. It is not published any longer.
  revoked: [local: LocalTrack];
  // A device that `publish` asked for did not start.
  deviceFailed: [source: Source, error: unknown];
  sendingFailed: [local: LocalTrack, error: unknown];
  // Who can be heard, in dBov.
  volumes: [volumes: ReadonlyMap<string, number>];
  // Who has the floor.
  activeSpeaker: [peerId: string | undefined];
  // A message on a data channel that is not the chat.
  data: [message: DataMessage];
  // The server will end, in so many seconds at the latest.
  draining: [seconds: number];
}
