// What a room says becomes the state of the page.

import type { End, RemoteTrack, Right, Room, Peer as RoomPeer, Source } from "@plenum/client";
import type { Problem } from "../media/problems";
import {
  ended,
  joined,
  knocksChanged,
  linked,
  mediaAdded,
  mediaChanged,
  mediaRemoved,
  mediaReplaced,
  type Peer,
  peerChanged,
  peerJoined,
  peerLeft,
  type RemoteMedia,
  type RemoteSource,
  type Self,
  selfChanged,
  waiting,
} from "../store/state";
import { notice, type Store } from "../store/store";

// What the page shows; an application may send more than that.
const SOURCES: ReadonlyMap<Source, RemoteSource> = new Map([
  ["microphone", "mic"],
  ["camera", "camera"],
  ["screen", "screen"],
  ["screen-audio", "screen-audio"],
]);

const NOUNS: Record<string, string> = {
  microphone: "microphone",
  camera: "camera",
  screen: "screen",
  "screen-audio": "screen's sound",
};

const RIGHTS: readonly Right[] = ["audio", "video", "screen", "data"];

// A connection that is back by then was hardly away.
const PATIENCE_MS = 1_500;

export function bind(room: Room, store: Store): void {
  bindPeers(room, store);
  bindMedia(room, store);
  bindConnection(room, store);
  bindRoom(room, store);
}

function bindPeers(room: Room, { setState }: Store): void {
  room.on("peerJoined", (peer) => setState(peerJoined(peerOf(peer))));
  room.on("peerChanged", (peer) => setState(peerChanged(peerOf(peer))));
  room.on("peerLeft", ({ id }) => setState(peerLeft(id)));
  room.on("knocksChanged", (knocks) =>
    setState(
      knocksChanged(
        [...knocks.values()].map(({ peerId, displayName }) => ({ id: peerId, name: named(displayName) })),
      ),
    ),
  );
}

function bindMedia(room: Room, store: Store): void {
  const { setState } = store;
  room.on("trackAdded", (track) => {
    const media = mediaOf(track);
    if (media) setState(mediaAdded(media));
  });
  room.on("trackReplaced", (track) => {
    const media = mediaOf(track);
    if (media) setState(mediaReplaced(media));
  });
  room.on("trackChanged", (track) => {
    const media = mediaOf(track);
    if (media) setState(mediaChanged(track.id, media));
  });
  room.on("trackRemoved", ({ id }) => setState(mediaRemoved(id)));
  room.on("sendingFailed", ({ source }, error) =>
    notice(store, "error", {
      title: `Others do not receive your ${NOUNS[source] ?? source}`,
      hint: error instanceof Error ? error.message : String(error),
    }),
  );
}

function bindConnection(room: Room, store: Store): void {
  const { setState } = store;
  let later: ReturnType<typeof setTimeout> | undefined;
  room.on("connection", (link) => {
    clearTimeout(later);
    // While the room may go on as if nothing had been, nobody has to know.
    if (link.state === "resuming") later = setTimeout(() => setState(linked(link)), PATIENCE_MS);
    else setState(linked(link));
  });
  room.on("joined", () => setState(joined()));
  room.on("waiting", () => setState(waiting()));
  room.on("ended", (end) => {
    clearTimeout(later);
    if (end.kind !== "left") setState(ended(problemOf(end)));
  });
  room.on("draining", (seconds) =>
    notice(store, "info", {
      title: "The server will restart soon",
      hint: `In ${seconds} seconds at the latest. The page then connects again by itself.`,
    }),
  );
}

function bindRoom(room: Room, store: Store): void {
  const { setState } = store;
  room.on("selfChanged", ({ displayName }) => {
    const before = store.getState().self.role;
    const self = selfOf(room);
    setState(selfChanged(self, displayName));
    if (room.state === "joined" && self.role !== before) notice(store, "info", roleNotice(self));
  });
  room.on("roomChanged", ({ metadata, locked, lobby, maxPeers }) =>
    setState({ facts: { title: titleOf(metadata), locked, lobby, maxPeers } }),
  );
}

export function peerOf({ id, displayName, role, handRaised }: RoomPeer): Peer {
  return { id, name: named(displayName), role, hand: handRaised };
}

function selfOf(room: Room): Self {
  const { role, handRaised } = room.self;
  return {
    role,
    hand: handRaised,
    host: room.isHost,
    may: new Set(RIGHTS.filter((right) => room.may(right))),
  };
}

export function mediaOf(track: RemoteTrack): RemoteMedia | undefined {
  const source = SOURCES.get(track.source);
  if (!source) return undefined;
  const { id, peerId, paused, count, layers, preferred, suspended, score } = track;
  return {
    id,
    peerId,
    source,
    track: track.track,
    paused,
    count,
    layers,
    preferred,
    unwatched: suspended,
    score,
  };
}

function named(displayName: string): string {
  return displayName.trim() || "Guest";
}

// Applications may keep anything in a room's metadata; this page keeps a title.
export function titleOf(metadata: unknown): string {
  const title = (metadata as { title?: unknown } | null | undefined)?.title;
  return typeof title === "string" ? title : "";
}

function roleNotice({ role }: Self): Problem {
  switch (role) {
    case "host":
      return { title: "You are a host now", hint: "You can mute and remove others, and lock the room." };
    case "speaker":
      return { title: "You may speak", hint: "Switch your microphone or camera on when you like." };
    default:
      return { title: "You are a listener now", hint: "Raise your hand if you want to say something." };
  }
}

export function problemOf({ kind, reason }: End): Problem {
  const said = reason ? `The server says: ${reason}` : "";
  switch (kind) {
    case "kicked":
      return { title: "You were removed", hint: "A host has taken you out of the meeting." };
    case "refused":
      return { title: "You were not let in", hint: "A host has declined. You can ask again." };
    case "locked":
      return { title: "The meeting is locked", hint: "Nobody else can come in until a host opens it again." };
    case "full":
      return { title: "The meeting is full", hint: "As many people are there as may be." };
    case "closed":
      return { title: "The meeting is over", hint: "A host has ended it for everybody." };
    case "token":
      return { title: "This link does not let you in", hint: "It may have run out. Ask for another one." };
    case "replaced":
      return {
        title: "You are out of the meeting",
        hint: "The meeting was opened elsewhere with the same identity.",
      };
    default:
      return { title: "You are out of the meeting", hint: said || "The server ended this connection." };
  }
}
