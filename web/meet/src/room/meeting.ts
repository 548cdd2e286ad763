// What the buttons and keys do.

import { type DataMessage, type Role, Room, type Source, type VideoCodec, type View } from "@plenum/client";
import { LocalMedia } from "../media/local";
import { type Heard, Voices } from "../media/voices";
import { chatShown } from "../store/chat";
import { dismissed, left, type RemoteSource } from "../store/state";
import { notice, type Store } from "../store/store";
import { remember } from "../util/identity";
import { cleanName, cleanRoom, shareUrl } from "../util/params";
import { bind } from "./binding";
import { Chat } from "./chat";

// Often enough for a frame around who speaks, seldom enough to cost nothing.
const STATS_EVERY_MS = 400;

export interface SendOptions {
  codec: VideoCodec | undefined;
  // Several sizes of the camera's picture.
  simulcast: boolean;
  svc: string | undefined;
  forceTcp: boolean;
  forceTurn: boolean;
  token: string | undefined;
  namespace: string | undefined;
}

const SENT: Record<RemoteSource, Source> = {
  mic: "microphone",
  camera: "camera",
  screen: "screen",
  "screen-audio": "screen-audio",
};

export class Meeting {
  readonly store: Store;
  readonly local: LocalMedia;
  readonly #options: SendOptions;
  // For the console and for tests: what others write beside the chat.
  onData: ((message: DataMessage) => void) | undefined;
  readonly #voices = new Voices();
  #view: View = new Map();
  #room: Room | undefined;
  #chat: Chat | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(store: Store, options: SendOptions) {
    this.store = store;
    this.#options = options;
    this.local = new LocalMedia(store, (source) => {
      this.#sync(source);
      if (source === "screen") this.#sync("screen-audio");
    });
  }

  // For the console and for tests: the room as the client library has it.
  get room(): Room | undefined {
    return this.#room;
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
    if (!room || this.#room) return;
    remember("name", name);
    this.store.setState({ room, me: { ...state.me, name }, phase: "joining", ended: undefined, notices: [] });
    history.replaceState(null, "", withRoom(location.href, room));
    document.title = `${room} · Plenum`;
    this.#voices.silence();
    this.#enter(room, state.me.id, name);
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
    this.#room?.retryNow();
  }

  toggleMic(): void {
    const { on } = this.store.getState().mic;
    if (on || this.#may("audio")) void this.local.setMic(!on);
  }

  toggleCamera(): void {
    const { on } = this.store.getState().camera;
    if (on || this.#may("video")) void this.local.setCamera(!on);
  }

  toggleScreen(): void {
    const { on } = this.store.getState().screen;
    if (on || this.#may("screen")) void this.local.setScreen(!on);
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
    this.#room?.show(view);
  }

  toggleHelp(show?: boolean): void {
    this.store.setState(({ help }) => ({ help: show ?? !help }));
  }

  // Beside the tiles there is place for one.
  togglePeople(show?: boolean): void {
    const people = show ?? !this.store.getState().people;
    if (people) this.store.setState(chatShown(false));
    this.store.setState({ people });
  }

  pin(tile: string | undefined): void {
    this.store.setState(({ pinned }) => ({ pinned: pinned === tile ? undefined : tile }));
  }

  soundBlocked(soundBlocked: boolean): void {
    this.store.setState({ soundBlocked });
  }

  toggleChat(show?: boolean): void {
    const open = show ?? !this.store.getState().chat.open;
    if (open) this.store.setState({ people: false });
    this.store.setState(chatShown(open));
  }

  say(text: string): void {
    this.#chat?.say(text);
  }

  toggleHand(): void {
    const { hand } = this.store.getState().self;
    this.#do((room) => room.raiseHand(!hand), "The hand could not be raised");
  }

  // What hosts can do to somebody.
  readonly host = {
    mute: (peer: string): void => this.#do((room) => room.mute(peer, "audio"), "Nobody was muted"),
    stopVideo: (peer: string): void =>
      this.#do((room) => room.mute(peer, "video"), "The picture was not stopped"),
    stopScreen: (peer: string): void =>
      this.#do((room) => room.stop(peer, "screen"), "The screen is still shared"),
    lowerHand: (peer: string): void => this.#do((room) => room.lowerHand(peer), "The hand is still up"),
    setRole: (peer: string, role: Role): void =>
      this.#do((room) => room.setRole(peer, role), "The role was not changed"),
    remove: (peer: string): void => this.#do((room) => room.kick(peer), "Nobody was removed"),
    muteAll: (): void => this.#do((room) => room.muteAll("audio"), "Nobody was muted", "Everybody is muted"),
    lock: (locked: boolean): void => this.#do((room) => room.configure({ locked }), "The lock did not move"),
    lobby: (lobby: boolean): void => this.#do((room) => room.configure({ lobby }), "The door did not move"),
    maxPeers: (maxPeers: number | null): void =>
      this.#do((room) => room.configure({ maxPeers }), "The number was not changed"),
    title: (title: string): void =>
      this.#do(
        (room) => room.configure({ metadata: withTitle(room.info.metadata, title) }),
        "The title was not changed",
      ),
    admit: (peer: string): void => this.#do((room) => room.admit(peer), "Nobody was let in"),
    refuse: (peer: string): void => this.#do((room) => room.refuse(peer), "Nobody was sent away"),
    end: (): void => this.#do((room) => room.close(), "The meeting was not ended"),
  };

  dismiss(id: number): void {
    this.store.setState(dismissed(id));
  }

  async copyLink(): Promise<void> {
    const link = shareUrl(location, this.store.getState().room, this.#options.namespace);
    try {
      await navigator.clipboard.writeText(link);
      notice(this.store, "info", { title: "Link copied", hint: "Send it to whoever should come." });
    } catch {
      notice(this.store, "info", { title: "Link to this meeting", hint: link });
    }
  }

  // For the console and for tests: the raw reports of both peer connections.
  reports(): Promise<Record<"send" | "recv", unknown[]>> {
    return this.#room?.reports() ?? Promise.resolve({ send: [], recv: [] });
  }

  // The same: a data channel that everybody else in the room reads.
  produceData(options: Parameters<Room["publishData"]>[0]): ReturnType<Room["publishData"]> {
    return this.#room?.publishData(options) ?? Promise.reject(new Error("not in the meeting"));
  }

  #enter(name: string, peer: string, displayName: string): void {
    const { codec, forceTcp, forceTurn, token, namespace } = this.#options;
    const room = new Room(location.origin, {
      room: name,
      peer,
      displayName,
      codec,
      forceTcp,
      ...(forceTurn ? { peerConnection: { iceTransportPolicy: "relay" } } : {}),
      token,
      namespace,
    });
    this.#room = room;
    bind(room, this.store);
    this.#chat = new Chat(this.store, room.chat);
    room.on("joined", () => this.#voices.silence());
    room.on("volumes", (volumes) => {
      this.#voices.tell(volumes);
      this.#show(this.#heard());
    });
    room.on("activeSpeaker", (peerId) => this.#dominant(peerId));
    room.on("data", (message) => this.onData?.(message));
    room.on("muted", ({ source }) =>
      this.#takenAway(source, "A host muted you", "You can unmute yourself again."),
    );
    room.on("revoked", ({ source }) =>
      this.#takenAway(source, "You are listening", "Raise your hand if you want to say something."),
    );
    room.on("ended", () => clearInterval(this.#timer));
    room.show(this.#view);
    for (const source of Object.keys(SENT) as RemoteSource[]) this.#sync(source);
  }

  // Brings what is sent in line with what is switched on.
  #sync(name: RemoteSource): void {
    const room = this.#room;
    if (!room || room.state === "ended") return;
    const { mic, camera, screen } = this.store.getState();
    const { track, paused } = {
      mic: { track: mic.track, paused: !mic.on },
      camera: { track: camera.track, paused: false },
      screen: { track: screen.track, paused: false },
      "screen-audio": { track: screen.audio, paused: false },
    }[name];
    const source = SENT[name];
    const local = room.locals.get(source);
    if (!track) local?.unpublish();
    else if (local) local.set({ track, paused });
    else void room.publish(track, { source, muted: paused, ...this.#layering() });
  }

  #layering(): { layers: "many" | "one"; svc?: string } {
    const { simulcast, svc } = this.#options;
    return { layers: simulcast ? "many" : "one", ...(svc ? { svc } : {}) };
  }

  // A host has switched something of this page off.
  #takenAway(source: Source, title: string, hint: string): void {
    const { mic, camera, screen } = this.store.getState();
    if (source === "microphone" && mic.on) void this.local.setMic(false);
    else if (source === "camera" && camera.on) void this.local.setCamera(false);
    else if (source === "screen" && screen.on) void this.local.setScreen(false);
    else return;
    notice(this.store, "info", { title, hint });
  }

  // Outside of a meeting devices are one's own affair.
  #may(right: "audio" | "video" | "screen"): boolean {
    const { phase, self } = this.store.getState();
    if (phase !== "live" || self.may.has(right)) return true;
    notice(this.store, "info", {
      title: "You are listening",
      hint: "Raise your hand if you want to say something.",
    });
    return false;
  }

  #do(what: (room: Room) => Promise<void>, failed: string, done?: string): void {
    if (!this.#room) return;
    what(this.#room).then(
      () => {
        if (done) notice(this.store, "info", { title: done, hint: "They can unmute themselves." });
      },
      (error: unknown) =>
        notice(this.store, "error", { title: failed, hint: error instanceof Error ? error.message : "" }),
    );
  }

  async #readStats(): Promise<void> {
    const room = this.#room;
    const stats = await room?.stats().catch(() => undefined);
    if (!stats || room !== this.#room) return;
    this.store.setState({ stats });
    this.#show(this.#heard());
  }

  // As the server has told.
  #heard(): Heard {
    const { me, mic, media } = this.store.getState();
    const voices = Object.values(media).filter(({ source }) => source === "mic");
    const muted = (peer: string): boolean =>
      peer === me.id ? !mic.on : !voices.some(({ peerId, paused }) => peerId === peer && !paused);
    return this.#voices.at(performance.now(), muted);
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
    this.#room?.leave();
    this.#room = undefined;
    this.#chat = undefined;
  }
}

function withTitle(metadata: unknown, title: string): object {
  const rest = typeof metadata === "object" && metadata !== null ? metadata : {};
  return { ...rest, title };
}

function withRoom(href: string, room: string): string {
  const url = new URL(href);
  url.searchParams.delete("roomId");
  url.searchParams.set("room", room);
  return url.toString();
}
