// The smallest call: everybody in the room sees and hears everybody else.
//
// The page's address says where: ?room=tea&name=Ada, and &server=https://node:3000 if the node is elsewhere.

import { connect, type Peer, type RemoteTrack } from "@plenum/client";
import { element, query } from "../page";

const { room: name, displayName, server } = query();
const people = element("people");

const room = await connect(server, { room: name, displayName, publish: ["microphone", "camera"] });
element("state").textContent = "joined";

// ---- Others

function tile(peer: Peer): HTMLElement {
  const known = document.getElementById(peer.id);
  if (known) return known;
  const figure = Object.assign(document.createElement("figure"), { id: peer.id });
  figure.append(Object.assign(document.createElement("figcaption"), { textContent: peer.displayName }));
  people.append(figure);
  return figure;
}

function play(track: RemoteTrack): void {
  const peer = room.peers.get(track.peerId);
  if (!peer) return;
  const media = document.createElement(track.kind);
  media.autoplay = true;
  media.id = track.key;
  document.getElementById(track.key)?.remove();
  tile(peer).append(media);
  // From here on the picture is received as large as its tile is, and not at all while the tile is out of sight.
  track.attach(media);
}

for (const peer of room.peers.values()) tile(peer);
for (const track of room.tracks.values()) play(track);
room.on("peerJoined", tile);
room.on("peerLeft", ({ id }) => document.getElementById(id)?.remove());
room.on("trackAdded", play);
room.on("trackRemoved", ({ key }) => document.getElementById(key)?.remove());
// Browsers play sound once somebody has touched the page.
addEventListener("click", () => void room.startPlayback(), { once: true });

// ---- Oneself

element("mute").addEventListener("click", ({ currentTarget }) => {
  const mic = room.locals.get("microphone");
  if (mic?.muted) mic.unmute();
  else mic?.mute();
  (currentTarget as HTMLElement).textContent = mic?.muted ? "Unmute" : "Mute";
});

element("leave").addEventListener("click", () => room.leave());

// ---- What may happen

room.on("connection", ({ state }) => {
  element("state").textContent = state === "up" ? "joined" : state;
});
room.on("ended", ({ kind, reason }) => {
  element("state").textContent = reason ? `${kind}: ${reason}` : kind;
  people.replaceChildren();
});
