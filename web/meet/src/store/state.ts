// Everything the page shows, and the pure steps from one state to the next.

import type { DeviceList } from "../media/devices";
import type { LayerCount, Layers } from "../media/layers";
import type { Problem } from "../media/problems";
import type { TrackStats } from "../media/stats";
import type { View } from "../util/params";
import { type ChatState, NO_CHAT } from "./chat";

export type Phase = "lobby" | "joining" | "live" | "ended";

export interface Link {
  // "down": being made anew; "weak": signalling works, media does not arrive.
  state: "up" | "connecting" | "weak" | "down";
  attempt: number;
  // When the next attempt is due, in the clock of Date.now().
  retryAt: number;
}

export interface Peer {
  id: string;
  name: string;
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
  me: Peer;
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
  // The tile that somebody put on the stage by hand.
  pinned: string | undefined;
  // Who has the floor.
  dominant: string | undefined;
  view: View;
  // The browser wants a click before it plays sound.
  soundBlocked: boolean;
}

const OFF: LocalSource = { track: undefined, on: false, busy: false };

export function initialState(room: string, me: Peer): State {
  return {
    phase: "lobby",
    room,
    me,
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
    pinned: undefined,
    dominant: undefined,
    view: "speaker",
    soundBlocked: false,
  };
}

type Step = (state: State) => Partial<State>;

// What a join answers replaces all that was known before: after a lost connection nothing of it is true any more.
export function joined(peers: Peer[]): Step {
  return () => ({ phase: "live", link: { state: "up", attempt: 0, retryAt: 0 }, peers, media: {} });
}

// What a join answers after the room has moved: who has come along so far. The others follow, or are forgotten later.
export function rejoined(present: Peer[]): Step {
  return ({ peers }) => {
    const here = new Map(present.map((peer) => [peer.id, peer]));
    const known = peers.map((peer) => here.get(peer.id) ?? peer);
    const fresh = present.filter(({ id }) => !peers.some((peer) => peer.id === id));
    return { phase: "live", link: { state: "up", attempt: 0, retryAt: 0 }, peers: [...known, ...fresh] };
  };
}

export function disconnected(attempt: number, retryAt: number): Step {
  return () => ({
    link: { state: "down", attempt, retryAt },
    speaking: new Set(),
    volumes: new Map(),
    stats: new Map(),
  });
}

export function linkState(next: "up" | "weak"): Step {
  return ({ link }) =>
    link.state === "up" || link.state === "weak" ? { link: { ...link, state: next } } : {};
}

// Who is known keeps the place: the room has moved, and this peer came along.
export function peerJoined(peer: Peer): Step {
  return ({ peers }) =>
    peers.some(({ id }) => id === peer.id)
      ? { peers: peers.map((known) => (known.id === peer.id ? peer : known)) }
      : { peers: [...peers, peer], announcement: `${peer.name} joined` };
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

export function peerRenamed(peerId: string, name: string): Step {
  return ({ peers }) => ({ peers: peers.map((peer) => (peer.id === peerId ? { ...peer, name } : peer)) });
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

// Forgets peers and media that are not among these.
export function onlyKept(peerIds: ReadonlySet<string>, mediaIds: ReadonlySet<string>): Step {
  return ({ peers, media, pinned }) => {
    const kept = Object.entries(media).filter(([id, one]) => mediaIds.has(id) && peerIds.has(one.peerId));
    const gone = peers.filter(({ id }) => !peerIds.has(id));
    const last = gone.at(-1);
    return {
      peers: peers.filter(({ id }) => peerIds.has(id)),
      media: Object.fromEntries(kept),
      pinned: gone.some(({ id }) => pinned?.startsWith(`${id}/`)) ? undefined : pinned,
      ...(last ? { announcement: `${last.name} left` } : {}),
    };
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
    pinned: undefined,
    dominant: undefined,
    soundBlocked: false,
  });
}

export function ended(problem: Problem): Step {
  return (state) => ({ ...left()(state), phase: "ended", ended: problem });
}
