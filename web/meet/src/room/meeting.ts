// What the buttons and keys do.

import type { types } from "mediasoup-client";
import { DominantSpeaker } from "../media/dominant";
import { meter } from "../media/level";
import { LocalMedia } from "../media/local";
import { SpeakingDetector } from "../media/speaking";
import type { TrackStats } from "../media/stats";
import { type Heard, Voices } from "../media/voices";
import { chatShown } from "../store/chat";
import { dismissed, left, type State } from "../store/state";
import { notice, type Store } from "../store/store";
import { remember } from "../util/identity";
import { cleanName, cleanRoom, shareUrl, signallingUrl } from "../util/params";
import { RoomClient } from "./client";
import type { DataMessage, SendOptions } from "./session";
import type { View } from "./watching";

// Often enough for a frame around who speaks, seldom enough to cost nothing.
const STATS_EVERY_MS = 400;

export class Meeting {
  readonly store: Store;
  readonly local: LocalMedia;
  readonly #options: SendOptions;
  // For the console and for tests: what others write beside the chat.
  onData: ((message: DataMessage) => void) | undefined;
  readonly #voices = new Voices();
  readonly #speaking = new SpeakingDetector();
  #floor = new DominantSpeaker();
  #view: View = new Map();
  #client: RoomClient | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(store: Store, options: SendOptions) {
    this.store = store;
    this.#options = options;
    this.local = new LocalMedia(store, (source) => {
      this.#client?.sync(source);
      if (source === "screen") this.#client?.sync("screen-audio");
    });
  }

  setName(name: string): void {
    this.store.setState(({ me }) => ({ me: { ...me, name } }));
  }

  setRoom(room: string): void {
    this.store.setState({ room });
  }

  join(): void {
    const state = this.store.getState();
    const room = cleanRoom(state.room);
    const name = cleanName(state.me.name) || "Guest";
    if (!room || this.#client) return;
    remember("name", name);
    this.store.setState({ room, me: { ...state.me, name }, phase: "joining", ended: undefined, notices: [] });
    history.replaceState(null, "", withRoom(location.href, room));
    document.title = `${room} · Plenum`;
    this.#floor = new DominantSpeaker();
    this.#voices.forget();
    this.#client = new RoomClient(signallingUrl(location, room, state.me.id), this.store, this.#options, {
      started: () => this.#voices.silence(),
      volumes: (volumes) => {
        this.#voices.tell(volumes);
        this.#show(this.#heard());
      },
      dominant: (peerId) => {
        // From here on the page's own guess must not stand in the way.
        this.#voices.trust();
        this.#dominant(peerId);
      },
      data: (message) => this.onData?.(message),
    });
    this.#client.watch(this.#view);
    this.#timer = setInterval(() => void this.#readStats(), STATS_EVERY_MS);
  }

  leave(): void {
    this.#stop();
    void this.local.setScreen(false);
    this.store.setState(left());
    document.title = "Plenum";
  }

  // After the server has ended the meeting.
  rejoin(): void {
    this.#stop();
    this.join();
  }

  retryNow(): void {
    this.#client?.retryNow();
  }

  toggleMic(): void {
    void this.local.setMic(!this.store.getState().mic.on);
  }

  toggleCamera(): void {
    void this.local.setCamera(!this.store.getState().camera.on);
  }

  toggleScreen(): void {
    void this.local.setScreen(!this.store.getState().screen.on);
  }

  toggleStats(): void {
    this.store.setState(({ statsShown }) => ({ statsShown: !statsShown }));
  }

  // Whoever speaks large, or everybody alike.
  toggleView(): void {
    const view = this.store.getState().view === "grid" ? "speaker" : "grid";
    remember("view", view);
    this.store.setState({ view });
  }

  // Where the tiles are.
  watch(view: View): void {
    this.#view = view;
    this.#client?.watch(view);
  }

  toggleHelp(show?: boolean): void {
    this.store.setState(({ help }) => ({ help: show ?? !help }));
  }

  pin(tile: string | undefined): void {
    this.store.setState(({ pinned }) => ({ pinned: pinned === tile ? undefined : tile }));
  }

  soundBlocked(soundBlocked: boolean): void {
    this.store.setState({ soundBlocked });
  }

  toggleChat(show?: boolean): void {
    this.store.setState((state) => chatShown(show ?? !state.chat.open)(state));
  }

  say(text: string): void {
    this.#client?.say(text);
  }

  dismiss(id: number): void {
    this.store.setState(dismissed(id));
  }

  async copyLink(): Promise<void> {
    const link = shareUrl(location, this.store.getState().room);
    try {
      await navigator.clipboard.writeText(link);
      notice(this.store, "info", { title: "Link copied", hint: "Send it to whoever should come." });
    } catch {
      notice(this.store, "info", { title: "Link to this meeting", hint: link });
    }
  }

  // For the console and for tests: the raw reports of both peer connections.
  reports(): Promise<Record<"send" | "recv", unknown[]>> {
    return this.#client?.reports() ?? Promise.resolve({ send: [], recv: [] });
  }

  // The same: a data channel that everybody else in the room reads.
  produceData(options: types.DataProducerOptions): Promise<types.DataProducer> {
    return this.#client?.produceData(options) ?? Promise.reject(new Error("not in the meeting"));
  }

  async #readStats(): Promise<void> {
    const client = this.#client;
    const stats = await client?.stats().catch(() => undefined);
    if (!stats || client !== this.#client) return;
    this.store.setState({ stats });
    if (this.#voices.told) this.#show(this.#heard());
    else this.#hear(stats);
  }

  // As the server has told.
  #heard(): Heard {
    const { me, mic, media } = this.store.getState();
    const voices = Object.values(media).filter(({ source }) => source === "mic");
    const muted = (peer: string): boolean =>
      peer === me.id ? !mic.on : !voices.some(({ peerId, paused }) => peerId === peer && !paused);
    return this.#voices.at(performance.now(), muted);
  }

  // A server that tells nothing: what arrives here has to do.
  #hear(stats: Map<string, TrackStats>): void {
    const state = this.store.getState();
    const now = performance.now();
    const heard = levels(state, stats);
    const volumes = new Map([...heard].map(([peer, level]) => [peer, meter(level)]));
    this.#show({ speaking: this.#speaking.update(heard, now), volumes });
    heard.delete(state.me.id);
    this.#dominant(this.#floor.update(heard, now));
  }

  #show({ speaking, volumes }: Heard): void {
    const before = this.store.getState().speaking;
    const same = speaking.size === before.size && [...speaking].every((id) => before.has(id));
    this.store.setState(same ? { volumes } : { volumes, speaking });
  }

  // Nobody sees oneself large for speaking: who had the floor before stays there.
  #dominant(peerId: string | undefined): void {
    const { me, dominant } = this.store.getState();
    if (peerId !== me.id && peerId !== dominant) this.store.setState({ dominant: peerId });
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#client?.leave();
    this.#client = undefined;
  }
}

// How loud everybody is. Who is muted is silent, whatever the last packets said.
function levels({ me, mic, media }: State, stats: Map<string, TrackStats>): Map<string, number> {
  const all = new Map<string, number>();
  if (mic.track) all.set(me.id, mic.on ? (stats.get(mic.track.id)?.level ?? 0) : 0);
  for (const { peerId, source, track, paused } of Object.values(media)) {
    if (source === "mic") all.set(peerId, paused ? 0 : (stats.get(track.id)?.level ?? 0));
  }
  return all;
}

function withRoom(href: string, room: string): string {
  const url = new URL(href);
  url.searchParams.delete("roomId");
  url.searchParams.set("room", room);
  return url.toString();
}
