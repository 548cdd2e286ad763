// Everything the page shows, and the pure steps from one state to the next.

import type { DeviceList, LayerCount, Layers, Right, Role, TrackStats } from "@plenum/client";
import type { Problem } from "../media/problems";
import type { View } from "../util/params";
import { type ChatState, NO_CHAT } from "./chat";

// "waiting": at the door, until a host opens.
export type Phase = "lobby" | "joining" | "waiting" | "live" | "ended";

export interface Link {
  // "down": being made anew; "resuming": back in a moment, nothing is lost; "weak": signalling works, media does not
  // arrive.
  state: "up" | "connecting" | "weak" | "resuming" | "down";
  attempt: number;
  // When the next attempt is due, in the clock of Date.now().
  retryAt: number;
}

export interface Person {
  id: string;
  name: string;
}

export interface Peer extends Person {
  role: Role;
  // Wants to speak.
  hand: boolean;
}

// What this page is in the room, and may do there.
export interface Self {
  role: Role;
  hand: boolean;
  // May do what hosts may do.
  host: boolean;
  may: ReadonlySet<Right>;
}

// The room itself, as hosts have set it.
export interface RoomFacts {
  title: string;
  locked: boolean;
  lobby: boolean;
  maxPeers: number | undefined;
}

export type RemoteSource = "mic" | "camera" | "screen" | "screen-audio";

export interface RemoteMedia {
  id: string;
  peerId: string;
  source: RemoteSource;
  track: MediaStreamTrack;
  // The sender paused it.
  paused: boolean;
  // How many layers it comes in.
  count: LayerCount;
  // Forwarded layers, where the server says so.
  layers: Layers | undefined;
  // What this page asked for; all there is if undefined.
  preferred: Layers | undefined;
  // This page asked not to get it.
  unwatched: boolean;
  // How well it arrives, 0 to 10, where the server says so.
  score: number | undefined;
}

// Media that just came, with what is not known of it yet.
export function remoteMedia(
  known: Pick<RemoteMedia, "id" | "peerId" | "source" | "track" | "paused"> & Partial<RemoteMedia>,
): RemoteMedia {
  return {
    count: { spatial: 1, temporal: 1 },
    layers: undefined,
    preferred: undefined,
    unwatched: false,
    score: undefined,
    ...known,
  };
}

export interface LocalSource {
  track: MediaStreamTrack | undefined;
  on: boolean;
  busy: boolean;
}

export interface Notice {
  id: number;
  tone: "info" | "error";
  title: string;
  hint: string;
}

export interface State {
  phase: Phase;
  room: string;
  me: Person;
  self: Self;
  facts: RoomFacts;
  // Who waits at the door.
  knocks: Person[];
  link: Link;
  ended: Problem | undefined;
  mic: LocalSource;
  camera: LocalSource;
  screen: LocalSource & { audio: MediaStreamTrack | undefined };
  devices: DeviceList;
  micId: string;
  cameraId: string;
  peers: Peer[];
  media: Record<string, RemoteMedia>;
  stats: ReadonlyMap<string, TrackStats>;
  speaking: ReadonlySet<string>;
  // How loud people are, from 0 to 1.
  volumes: ReadonlyMap<string, number>;
  chat: ChatState;
  notices: Notice[];
  announcement: string;
  statsShown: boolean;
  help: boolean;
  people: boolean;
  // The tile that somebody put on the stage by hand.
  pinned: string | undefined;
  // Who has the floor.
  dominant: string | undefined;
  view: View;
  // The browser wants a click before it plays sound.
  soundBlocked: boolean;
}

const OFF: LocalSource = { track: undefined, on: false, busy: false };

export const NOBODY: Self = { role: "speaker", hand: false, host: false, may: new Set() };
const PLAIN: RoomFacts = { title: "", locked: false, lobby: false, maxPeers: undefined };

export function initialState(room: string, me: Person): State {
  return {
    phase: "lobby",
    room,
    me,
    self: NOBODY,
    facts: PLAIN,
    knocks: [],
    link: { state: "connecting", attempt: 0, retryAt: 0 },
    ended: undefined,
    mic: OFF,
    camera: OFF,
    screen: { ...OFF, audio: undefined },
    devices: { mics: [], cameras: [] },
    micId: "",
    cameraId: "",
    peers: [],
    media: {},
    stats: new Map(),
    speaking: new Set(),
    volumes: new Map(),
    chat: NO_CHAT,
    notices: [],
    announcement: "",
    statsShown: false,
    help: false,
    people: false,
    pinned: undefined,
    dominant: undefined,
    view: "speaker",
    soundBlocked: false,
  };
}

type Step = (state: State) => Partial<State>;

export function joined(): Step {
  return () => ({ phase: "live" });
}

export function waiting(): Step {
  return () => ({ phase: "waiting", announcement: "You wait to be let in" });
}

export function linked(link: Link): Step {
  return () =>
    link.state === "down" ? { link, speaking: new Set(), volumes: new Map(), stats: new Map() } : { link };
}

// Those who were there before are not announced.
export function peerJoined(peer: Peer): Step {
  return ({ peers, phase }) => ({
    ...(peers.some(({ id }) => id === peer.id)
      ? { peers: peers.map((known) => (known.id === peer.id ? peer : known)) }
      : {
          peers: [...peers, peer],
          ...(phase === "live" ? { announcement: `${peer.name} joined` } : {}),
        }),
  });
}

// Who is known keeps the place.
export function peerChanged(peer: Peer): Step {
  return ({ peers }) => {
    const before = peers.find(({ id }) => id === peer.id);
    const announcement = peer.hand && before?.hand === false ? `${peer.name} raises a hand` : undefined;
    return {
      peers: peers.map((known) => (known.id === peer.id ? peer : known)),
      ...(announcement ? { announcement } : {}),
    };
  };
}

export function selfChanged(self: Self, name: string): Step {
  return ({ me }) => ({ self, me: me.name === name || !name ? me : { ...me, name } });
}

export function knocksChanged(knocks: Person[]): Step {
  return ({ knocks: before }) => {
    const fresh = knocks.find(({ id }) => !before.some((one) => one.id === id));
    return { knocks, ...(fresh ? { announcement: `${fresh.name} waits to be let in` } : {}) };
  };
}

export function peerLeft(peerId: string): Step {
  return ({ peers, media, pinned }) => {
    const gone = peers.find(({ id }) => id === peerId);
    if (!gone) return {};
    return {
      peers: peers.filter(({ id }) => id !== peerId),
      media: Object.fromEntries(Object.entries(media).filter(([, one]) => one.peerId !== peerId)),
      pinned: pinned?.startsWith(`${peerId}/`) ? undefined : pinned,
      announcement: `${gone.name} left`,
    };
  };
}

export function mediaAdded(one: RemoteMedia): Step {
  return ({ media, peers }) => {
    const name = peers.find(({ id }) => id === one.peerId)?.name;
    const announcement = one.source === "screen" && name ? { announcement: `${name} shares a screen` } : {};
    return { media: { ...media, [one.id]: one }, ...announcement };
  };
}

// In the place of what was received of the same source before.
export function mediaReplaced(one: RemoteMedia): Step {
  return ({ media }) => {
    const others = Object.entries(media).filter(
      ([, { peerId, source }]) => peerId !== one.peerId || source !== one.source,
    );
    return { media: { ...Object.fromEntries(others), [one.id]: one } };
  };
}

export function mediaChanged(id: string, change: Partial<Omit<RemoteMedia, "id">>): Step {
  return ({ media }) => {
    const one = media[id];
    return one ? { media: { ...media, [id]: { ...one, ...change } } } : {};
  };
}

export function mediaRemoved(id: string): Step {
  return ({ media }) => {
    const { [id]: _gone, ...rest } = media;
    return { media: rest };
  };
}

// More would cover the page; the oldest goes first.
const MAX_NOTICES = 3;

export function noticed(notice: Notice): Step {
  return ({ notices }) => ({
    notices: [...notices.filter(({ title }) => title !== notice.title), notice].slice(-MAX_NOTICES),
  });
}

export function dismissed(id: number): Step {
  return ({ notices }) => ({ notices: notices.filter((notice) => notice.id !== id) });
}

export function left(): Step {
  return () => ({
    phase: "lobby",
    peers: [],
    media: {},
    stats: new Map(),
    speaking: new Set(),
    volumes: new Map(),
    chat: NO_CHAT,
    link: { state: "connecting", attempt: 0, retryAt: 0 },
    help: false,
    people: false,
    self: NOBODY,
    facts: PLAIN,
    knocks: [],
    pinned: undefined,
    dominant: undefined,
    soundBlocked: false,
  });
}

export function ended(problem: Problem): Step {
  return (state) => ({ ...left()(state), phase: "ended", ended: problem });
}
