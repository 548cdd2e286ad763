// The tiles of the meeting, derived from the state.

import type { RemoteMedia, State } from "./state";

export interface Tile {
  id: string;
  peerId: string;
  name: string;
  self: boolean;
  source: "camera" | "screen";
  video: MediaStreamTrack | undefined;
  // Sound to be played, and whose figures belong to this tile.
  audio: MediaStreamTrack | undefined;
  muted: boolean;
  layers: RemoteMedia["layers"];
}

type Shown = Pick<State, "me" | "peers" | "media" | "camera" | "mic" | "screen">;

// Screens first, then people in the order of their coming, oneself last: nobody moves when somebody comes.
export function tiles({ me, peers, media, camera, mic, screen }: Shown): Tile[] {
  const all = Object.values(media);
  const screens: Tile[] = [];
  const people: Tile[] = [];
  for (const peer of peers) {
    const of = (source: RemoteMedia["source"]) =>
      all.find((one) => one.peerId === peer.id && one.source === source);
    const shared = of("screen");
    const base = { peerId: peer.id, name: peer.name, self: false };
    if (shared) {
      const audio = of("screen-audio")?.track;
      const { track: video, layers } = shared;
      screens.push({
        ...base,
        id: `${peer.id}/screen`,
        source: "screen",
        video,
        audio,
        muted: !audio,
        layers,
      });
    }
    const voice = of("mic");
    const face = of("camera");
    people.push({
      ...base,
      id: `${peer.id}/camera`,
      source: "camera",
      video: face?.paused ? undefined : face?.track,
      audio: voice?.track,
      muted: !voice || voice.paused,
      layers: face?.layers,
    });
  }
  const mine = { peerId: me.id, name: me.name, self: true, layers: undefined };
  if (screen.track) {
    screens.push({
      ...mine,
      id: `${me.id}/screen`,
      source: "screen",
      video: screen.track,
      audio: undefined,
      muted: !screen.audio,
    });
  }
  people.push({
    ...mine,
    id: `${me.id}/camera`,
    source: "camera",
    video: camera.track,
    audio: mic.track,
    muted: !mic.on,
  });
  return [...screens, ...people];
}

// The tile on the stage: the pinned one, else the newest screen that somebody else shares.
export function staged(all: Tile[], pinned: string | undefined): Tile | undefined {
  const byHand = all.find(({ id }) => id === pinned);
  if (byHand) return byHand;
  const screens = all.filter(({ source }) => source === "screen");
  return screens.filter(({ self }) => !self).at(-1) ?? screens.at(-1);
}
