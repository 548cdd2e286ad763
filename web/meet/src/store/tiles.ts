// The tiles of the meeting, derived from the state.

import type { Role } from "@plenum/client";
import type { RemoteMedia, State } from "./state";

export interface Tile {
  id: string;
  peerId: string;
  name: string;
  self: boolean;
  role: Role;
  // Wants to speak.
  hand: boolean;
  source: "camera" | "screen";
  video: MediaStreamTrack | undefined;
  // Sound to be played, and whose figures belong to this tile.
  audio: MediaStreamTrack | undefined;
  muted: boolean;
  // What is known of a picture that comes from elsewhere.
  received: RemoteMedia | undefined;
}

type Shown = Pick<State, "me" | "self" | "peers" | "media" | "camera" | "mic" | "screen">;

// Screens first, then people in the order of their coming, oneself last: nobody moves when somebody comes.
export function tiles({ me, self, peers, media, camera, mic, screen }: Shown): Tile[] {
  const all = Object.values(media);
  const screens: Tile[] = [];
  const people: Tile[] = [];
  for (const peer of peers) {
    const of = (source: RemoteMedia["source"]) =>
      all.find((one) => one.peerId === peer.id && one.source === source);
    const shared = of("screen");
    const { role, hand } = peer;
    const base = { peerId: peer.id, name: peer.name, self: false, role, hand };
    if (shared) {
      const audio = of("screen-audio")?.track;
      screens.push({
        ...base,
        id: `${peer.id}/screen`,
        source: "screen",
        video: shared.track,
        audio,
        muted: !audio,
        received: shared,
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
      received: face,
    });
  }
  const { role, hand } = self;
  const mine = { peerId: me.id, name: me.name, self: true, role, hand, received: undefined };
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

// With one other person there is nobody to choose.
const FEWEST_TO_CHOOSE = 2;

// The tile on the stage: the pinned one, else the newest screen that somebody else shares, else who has the floor.
export function staged(
  all: Tile[],
  { pinned, dominant, view }: Pick<State, "pinned" | "dominant" | "view">,
): Tile | undefined {
  const byHand = all.find(({ id }) => id === pinned);
  if (byHand) return byHand;
  const screens = all.filter(({ source }) => source === "screen");
  const screen = screens.filter(({ self }) => !self).at(-1) ?? screens.at(-1);
  if (screen || view === "grid") return screen;
  const others = all.filter(({ self }) => !self);
  if (others.length < FEWEST_TO_CHOOSE) return undefined;
  return others.find(({ peerId }) => peerId === dominant);
}
