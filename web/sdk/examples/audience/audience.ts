// A listener in a large room: hears everybody, sees the four who spoke last, sends nothing, and may raise a hand.

import { connect, type RemoteTrack } from "@plenum/client";
import { element, query } from "../page";

const { room: name, displayName, server } = query();
const people = element("people");

const room = await connect(server, { room: name, displayName, subscription: { speakers: 4 } });

// The server chooses whose pictures come: tracks come and go with those who speak.
const detach = new Map<string, () => void>();

function show(): void {
  const pictures = [...room.tracks.values()].filter(({ kind }) => kind === "video");
  element("state").textContent = `${room.peers.size} others, ${pictures.length} in sight`;
}

for (const track of room.tracks.values()) play(track);
room.on("trackAdded", play);
room.on("trackReplaced", (track, before) => {
  // The same picture over another connection: its element plays on.
  const stop = detach.get(before.id);
  detach.delete(before.id);
  if (stop) detach.set(track.id, stop);
});
room.on("trackRemoved", ({ id }) => {
  detach.get(id)?.();
  detach.delete(id);
  show();
});
room.on("peerJoined", show);
room.on("peerLeft", show);
addEventListener("click", () => void room.startPlayback(), { once: true });
show();

function play(track: RemoteTrack): void {
  const media = document.createElement(track.kind);
  media.dataset.peer = track.peerId;
  people.append(media);
  const stop = track.attach(media);
  detach.set(track.id, () => {
    stop();
    media.remove();
  });
  show();
}

// Who has the floor is framed.
room.on("activeSpeaker", (speaker) => {
  for (const media of people.querySelectorAll<HTMLElement>("video"))
    media.toggleAttribute("data-active", media.dataset.peer === speaker);
});

// ---- A hand that is up

const hand = element("hand");
hand.addEventListener("click", () => {
  room.raiseHand(!room.self.handRaised).catch((error: Error) => {
    element("state").textContent = error.message;
  });
});
room.on("selfChanged", ({ handRaised, role }) => {
  hand.setAttribute("aria-pressed", String(handRaised));
  hand.textContent = handRaised ? "Lower your hand" : "Raise your hand";
  hand.dataset.role = role;
});
