// A room: the way into it and back into it, what is in it, and what can be done there.

import type { types } from "mediasoup-client";
import { type Address, randomPeer, signallingUrl } from "./address.js";
import { Attachments } from "./attach.js";
import { Chat } from "./chat.js";
import { type End, EndedError, endKind, RequestError, refusal } from "./errors.js";
import { Emitter } from "./events.js";
import { Health } from "./health.js";
import type { LocalTrack } from "./local.js";
import { type Identity, makeIdentity } from "./media/certificate.js";
import type { CameraOptions, MicOptions } from "./media/devices.js";
import { type Source, sourceOf } from "./media/source.js";
import type { TrackStats } from "./media/stats.js";
import { type Knock, Model, type Self } from "./model.js";
import { type ConnectOptions, sessionOptions } from "./options.js";
import type { Peer } from "./peer.js";
import { Publishing, type PublishOptions } from "./publishing.js";
import type { RemoteTrack } from "./remote.js";
import type { ConnectionState, RoomEvents, RoomState } from "./room_events.js";
import {
  type Direction,
  type ProduceData,
  type ProducerIds,
  Session,
  type SessionHost,
  type SessionOptions,
} from "./session.js";
import { pageSeen, watchSeen } from "./visible.js";
import type { View } from "./watching.js";
import { type Json, object } from "./wire/frames.js";
import {
  type Ask,
  type Grants,
  type Right,
  type Role,
  type RoomInfo,
  readJoined,
  readSpeaker,
  readVolumes,
  readWelcome,
  type Subscription,
} from "./wire/messages.js";
import { type Ending, Socket } from "./wire/socket.js";

// A room that loses its worker refuses what is asked of it before it says where it goes on.
const REFUSAL_GRACE_MS = 1_000;

// The server ends what was before a move by itself some time after it is asked to.
const RELEASE_TIMEOUT_MS = 15_000;

const CONNECTING: ConnectionState = { state: "connecting", attempt: 0, retryAt: 0 };

export class Room extends Emitter<RoomEvents> {
  readonly chat = new Chat();
  readonly #model: Model;
  readonly #options: SessionOptions;
  readonly #address: Address;
  readonly #socket: Socket;
  readonly #health: Health;
  readonly #host: SessionHost;
  readonly #attachments: Attachments;
  readonly #tracks = new Map<string, RemoteTrack>();
  readonly #publishing: Publishing;
  readonly #undo: (() => void)[] = [];
  #state: RoomState = "joining";
  #connection = CONNECTING;
  #end: End | undefined;
  #session: Session | undefined;
  // Of before the room moved; what is shown or sent may still be theirs.
  #earlier: Session[] = [];
  // The server goes on with them until it is told that they are not needed.
  #gently = false;
  #joinedBefore = false;
  // The name that others know.
  #agreedName: string;
  #produceData: ProduceData | undefined;
  #view: View | undefined;

  // Begins at once; `ready` tells when the room is joined.
  constructor(url: string | URL, options: ConnectOptions) {
    super();
    const { room, peer = randomPeer(), token, namespace } = options;
    this.#address = { url, room, peer, token, namespace };
    this.#options = sessionOptions(options);
    const { displayName } = this.#options;
    this.#agreedName = displayName;
    this.#model = new Model(room, namespace ?? "default", displayName, () => this.#tracks.values());
    this.#model.self.id = peer;
    this.#attachments = new Attachments(() => this.#watch());
    this.#publishing = new Publishing({
      session: () => (this.#state === "joined" ? this.#session : undefined),
      may: (right) => this.#model.may(right),
      revoked: (local) => this.emit("revoked", local),
    });
    this.#relay();
    this.#host = this.#sessionHost(makeIdentity());
    this.#socket = new Socket({
      address: (resume) => signallingUrl(this.#address, resume),
      handlers: {
        welcome: (data) => this.#welcome(data),
        resumed: () => this.#up(),
        interrupted: (attempt, retryInMs, resuming) => this.#interrupted(attempt, retryInMs, resuming),
        lost: () => this.#lost(),
        closed: (ending) => this.#closedForGood(ending),
        request: (method, data) => this.#request(method, data),
        notification: (method, data) => this.#notification(method, data),
      },
      ...(options.connect ? { connect: options.connect } : {}),
    });
    this.#health = new Health({
      socket: this.#socket,
      restartIce: async (direction) => this.#session?.restartIce(direction),
      weak: (weak) => this.#weak(weak),
    });
    this.#listen();
    for (const source of options.publish ?? [])
      this.publish(source).catch((error: unknown) => this.emit("deviceFailed", source, error));
  }

  // Resolves when the room is joined; rejects when it ends before.
  get ready(): Promise<this> {
    if (this.#state === "joined") return Promise.resolve(this);
    return new Promise((resolve, reject) => {
      if (this.#end) reject(new EndedError(this.#end));
      this.once("joined", () => resolve(this));
      this.once("ended", (end) => reject(new EndedError(end)));
    });
  }

  get state(): RoomState {
    return this.#state;
  }

  get connection(): ConnectionState {
    return this.#connection;
  }

  get end(): End | undefined {
    return this.#end;
  }

  get self(): Self {
    return this.#model.self;
  }

  // Whether this client may do what hosts may do.
  get isHost(): boolean {
    return this.#model.isHost;
  }

  get info(): RoomInfo {
    return this.#model.info;
  }

  // The others, in the order of their coming.
  get peers(): ReadonlyMap<string, Peer> {
    return this.#model.peers;
  }

  // What is received, by consumer.
  get tracks(): ReadonlyMap<string, RemoteTrack> {
    return this.#tracks;
  }

  // What is sent, by source.
  get locals(): ReadonlyMap<Source, LocalTrack> {
    return this.#publishing.locals;
  }

  get knocks(): ReadonlyMap<string, Knock> {
    return this.#model.knocks;
  }

  // Whether this client may send something of this kind.
  may(right: Right): boolean {
    return this.#model.may(right);
  }

  // ---- Sending

  // Sends a device, or a track of one's own. What is published of the same source already is replaced. It goes on
  // through reconnections and moves.
  async publish(
    what: "microphone" | "camera" | "screen" | MediaStreamTrack,
    options: PublishOptions & MicOptions & CameraOptions = {},
  ): Promise<LocalTrack> {
    return this.#publishing.publish(what, options);
  }

  // A data channel that everybody else reads, whoever comes later included. Chat has the label "chat".
  async publishData(options: types.DataProducerOptions): Promise<types.DataProducer> {
    if (!this.#produceData) throw new RequestError(0, "data channels are not ready");
    return this.#produceData(options);
  }

  // ---- Receiving

  // Where pictures are shown, by `RemoteTrack.key`; what is not mentioned is not received. For applications that lay
  // out their pages themselves; others use `RemoteTrack.attach`.
  show(view: View): void {
    this.#view = view;
    this.#watch();
  }

  // What of the others is received from now on without being asked for.
  async subscribe(subscription: Subscription): Promise<void> {
    this.#options.subscription = subscription;
    await this.#ask("subscribe", { subscription });
  }

  // Receives what was announced in `Peer.producers`.
  async consume(producerIds: string[]): Promise<RemoteTrack[]> {
    if (!this.#session) throw new RequestError(0, "not connected");
    return this.#session.consume(producerIds);
  }

  async unconsume(tracks: RemoteTrack[]): Promise<void> {
    await this.#ask("closeConsumers", { consumerIds: tracks.map(({ id }) => id) });
  }

  // Plays what the browser has refused to play before somebody touched the page. To be called by a click.
  async startPlayback(): Promise<void> {
    await this.#attachments.play();
  }

  // ---- About oneself

  async setDisplayName(displayName: string): Promise<void> {
    this.#rename(displayName);
    try {
      await this.#ask("setDisplayName", { displayName });
      this.#agreedName = displayName;
    } catch (error) {
      // Without an answer it may be so, and the next joining says it again. A newer name is not touched.
      const refused = error instanceof RequestError && error.code !== 0;
      if (refused && this.#options.displayName === displayName) this.#rename(this.#agreedName);
      throw error;
    }
  }

  #rename(displayName: string): void {
    this.#options.displayName = displayName;
    this.#model.rename(displayName);
  }

  async raiseHand(raised = true): Promise<void> {
    await this.#ask("raiseHand", { raised });
  }

  leave(): void {
    if (this.#state === "ended") return;
    this.#socket.request("leave", {}).catch(() => undefined);
    this.#finish({ kind: "left", reason: "" });
  }

  // ---- What hosts may do

  async lowerHand(peerId: string): Promise<void> {
    await this.#ask("lowerHand", { peerId });
  }

  async setRole(peerId: string, role: Role): Promise<void> {
    await this.#ask("setRole", { peerId, role });
  }

  async setGrants(peerId: string, grants: Grants): Promise<void> {
    await this.#ask("setGrants", { peerId, grants: { ...grants } });
  }

  // Somebody's microphone ("audio") or pictures ("video"), or both.
  async mute(peerId: string, kind?: "audio" | "video"): Promise<void> {
    await this.#ask("mute", { peerId, ...(kind ? { kind } : {}) });
  }

  // Everybody but the hosts.
  async muteAll(kind?: "audio" | "video"): Promise<void> {
    await this.#ask("mute", kind ? { kind } : {});
  }

  // Ends what somebody sends of this source, such as a screen.
  async stop(peerId: string, source: Source): Promise<void> {
    const producers = [...(this.peers.get(peerId)?.producers.values() ?? [])];
    for (const { producerId, kind, appData } of producers)
      if (sourceOf(kind, appData) === source) await this.#ask("closeProducerOf", { producerId });
  }

  async kick(peerId: string): Promise<void> {
    await this.#ask("kick", { peerId });
  }

  // What is not mentioned stays as it is; `maxPeers: null` is no bound.
  async configure(change: {
    locked?: boolean;
    lobby?: boolean;
    maxPeers?: number | null;
    metadata?: unknown;
  }): Promise<void> {
    await this.#ask("setRoom", { ...change });
  }

  async admit(peerId: string): Promise<void> {
    await this.#ask("admit", { peerId });
  }

  async refuse(peerId: string): Promise<void> {
    await this.#ask("refuse", { peerId });
  }

  // For everybody.
  async close(): Promise<void> {
    await this.#ask("closeRoom", {});
  }

  // ---- Figures

  // Figures of all tracks in both directions, by the ids of the tracks.
  async stats(): Promise<Map<string, TrackStats>> {
    const all = new Map<string, TrackStats>();
    for (const session of [...this.#earlier, this.#session]) {
      for (const [track, stats] of (await session?.stats()) ?? []) all.set(track, stats);
    }
    return all;
  }

  // The whole reports of the browser.
  async reports(): Promise<Record<Direction, unknown[]>> {
    return (await this.#session?.reports()) ?? { send: [], recv: [] };
  }

  // Skips the rest of the waiting time, if a next attempt to connect is being waited for.
  retryNow(): void {
    this.#socket.retryNow();
  }

  // ---- Sessions

  #sessionHost(identity: Promise<Identity>): SessionHost {
    // Whoever needs it hears of the failure.
    identity.catch(() => undefined);
    return {
      options: this.#options,
      identity,
      attachments: this.#attachments,
      request: this.#ask,
      locals: () => this.#publishing.locals.values(),
      mayWrite: () => this.#model.may("data"),
      allowed: (local) => this.#publishing.allowed(local),
      shown: () => this.#tracks.values(),
      joined: (answer) => this.#joined(answer),
      waiting: () => this.#waiting(),
      added: (track) => this.#added(track),
      removed: (track) => this.#removed(track),
      changed: (track) => {
        if (this.#tracks.get(track.id) === track) this.emit("trackChanged", track);
      },
      replaced: (track) => this.#replaced(track),
      settled: (kept) => this.#settled(kept),
      media: (direction, state) => this.#health.media(direction, state),
      sendingFailed: (local, error) => this.emit("sendingFailed", local, error),
      mutedByHost: (local) => this.emit("muted", local),
      closedByHost: (local) => this.#publishing.takeAway(local),
      data: (message) => {
        if (!this.chat.heard(message)) this.emit("data", message);
      },
      dataReady: (produce) => {
        this.#produceData = produce === "never" ? undefined : produce;
        this.chat.ready(produce);
      },
    };
  }

  #welcome(data: Json): void {
    this.#endSession();
    this.#model.welcome(readWelcome(data));
    void this.#start(data);
  }

  async #start(data: Json, earlier?: ProducerIds): Promise<void> {
    const session = new Session(this.#host, readWelcome(data), earlier);
    this.#session = session;
    this.#watch();
    session.seen(pageSeen());
    try {
      await session.start();
    } catch (error) {
      await this.#startFailed(session, error);
    }
  }

  // A refusal by the server is final, a lost answer is not.
  async #startFailed(session: Session, error: unknown): Promise<void> {
    const code = error instanceof RequestError ? error.code : undefined;
    if (code !== 0) await new Promise((resolve) => setTimeout(resolve, REFUSAL_GRACE_MS));
    if (session.closed || this.#state === "ended") return;
    if (code === 0) this.#socket.restart();
    else
      this.#finish({ kind: refusal(error), reason: error instanceof Error ? error.message : String(error) });
  }

  #joined(answer: Json): void {
    const again = this.#joinedBefore;
    this.#joinedBefore = true;
    this.#agreedName = this.#options.displayName;
    this.#model.joined(readJoined(answer), this.#earlier.length > 0);
    this.#state = "joined";
    this.#publishing.revoke();
    this.#up();
    this.emit("joined", again);
  }

  #waiting(): void {
    this.#state = "waiting";
    this.#up();
    this.emit("waiting");
  }

  // The room goes on elsewhere: joins it there, on the same connection, and keeps what is shown meanwhile.
  #migrate(data: Json): void {
    const session = this.#session;
    if (!session) return;
    this.#health.reset();
    this.#gently = data.makeBeforeBreak === true;
    const ids = session.producerIds;
    if (session.joined) {
      session.retire(this.#gently);
      this.#earlier.push(session);
    } else {
      session.close();
    }
    if (!this.#gently) for (const one of this.#earlier) one.retire(false);
    this.#session = undefined;
    void this.#start(object(data.welcome), ids);
  }

  // Everything has arrived anew. Others may still need what is sent as before, until the server knows better.
  #settled(kept: ReadonlySet<string>): void {
    this.#model.settle();
    for (const track of [...this.#tracks.values()])
      if (!kept.has(track.id) || !this.#model.peers.has(track.peerId)) this.#removed(track);
    const done = this.#earlier;
    this.#earlier = [];
    const release = this.#gently
      ? this.#socket.request("migrated", {}, RELEASE_TIMEOUT_MS).catch(() => undefined)
      : Promise.resolve();
    void release.then(() => {
      for (const session of done) session.close();
    });
  }

  #lost(): void {
    this.#endSession();
    for (const track of [...this.#tracks.values()]) this.#removed(track);
    this.#state = "joining";
    this.emit("volumes", new Map());
  }

  #endSession(): void {
    this.#health.reset();
    this.#session?.close();
    this.#session = undefined;
    for (const session of this.#earlier) session.close();
    this.#earlier = [];
  }

  async #request(method: string, data: Json): Promise<Json> {
    if (!this.#session) throw new RequestError(403, "not ready");
    return this.#session.request(method, data);
  }

  #notification(method: string, data: Json): void {
    try {
      if (method === "migrate") this.#migrate(data);
      else if (method === "draining") this.emit("draining", Number(data.seconds));
      else if (method === "speakingPeers") this.emit("volumes", readVolumes(data));
      else if (method === "activeSpeaker") this.emit("activeSpeaker", readSpeaker(data));
      else if (!this.#session?.notification(method, data)) this.#model.notification(method, data);
    } catch (error) {
      // A notification without what it needs says nothing.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  // ---- Connection

  #up(): void {
    this.#become({ state: this.#health.weak ? "weak" : "up", attempt: 0, retryAt: 0 });
  }

  #weak(weak: boolean): void {
    const { state } = this.#connection;
    if (state === "up" || state === "weak")
      this.#become({ ...this.#connection, state: weak ? "weak" : "up" });
  }

  #interrupted(attempt: number, retryInMs: number, resuming: boolean): void {
    this.#become({ state: resuming ? "resuming" : "down", attempt, retryAt: Date.now() + retryInMs });
  }

  #become(connection: ConnectionState): void {
    if (JSON.stringify(connection) === JSON.stringify(this.#connection)) return;
    this.#connection = connection;
    this.emit("connection", connection);
  }

  #closedForGood({ code, reason }: Ending): void {
    this.#finish({ kind: endKind(code, reason), reason });
  }

  #finish(end: End): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#end = end;
    for (const undo of this.#undo) undo();
    this.#endSession();
    this.#socket.close();
    this.#health.close();
    for (const track of [...this.#tracks.values()]) this.#removed(track);
    this.#attachments.close();
    this.#publishing.close();
    this.#model.clear();
    this.emit("ended", end);
  }

  // ---- Tracks

  #added(track: RemoteTrack): void {
    this.#tracks.set(track.id, track);
    this.#attachments.follow(track);
    this.emit("trackAdded", track);
  }

  #replaced(track: RemoteTrack): void {
    const before = [...this.#tracks.values()].find(({ key }) => key === track.key);
    if (before) this.#tracks.delete(before.id);
    this.#tracks.set(track.id, track);
    this.#attachments.follow(track);
    if (before) this.emit("trackReplaced", track, before);
    else this.emit("trackAdded", track);
  }

  #removed(track: RemoteTrack): void {
    if (this.#tracks.get(track.id) !== track) return;
    this.#tracks.delete(track.id);
    this.#attachments.gone(track);
    this.emit("trackRemoved", track);
  }

  #watch(): void {
    if (this.#view) this.#session?.watch(this.#view, "nothing");
    else this.#session?.watch(this.#attachments.view(), "all");
  }

  // ---- The world around

  #relay(): void {
    const model = this.#model;
    model.on("peerJoined", (peer) => this.emit("peerJoined", peer));
    model.on("peerLeft", (peer) => {
      this.#attachments.forget(peer.id);
      this.emit("peerLeft", peer);
    });
    model.on("peerChanged", (peer) => this.emit("peerChanged", peer));
    model.on("producersChanged", (peer) => this.emit("producersChanged", peer));
    model.on("roomChanged", (info) => this.emit("roomChanged", info));
    model.on("knocksChanged", (knocks) => this.emit("knocksChanged", knocks));
    model.on("selfChanged", (self) => {
      if (this.#state === "joined") {
        this.#publishing.revoke();
        this.#session?.rightsChanged();
      }
      this.emit("selfChanged", self);
    });
  }

  #listen(): void {
    const on = (target: EventTarget, event: string, handler: () => void): void => {
      target.addEventListener(event, handler);
      this.#undo.push(() => target.removeEventListener(event, handler));
    };
    on(window, "online", () => this.#health.networkChanged());
    on(window, "offline", () => this.#health.networkChanged());
    on(document, "visibilitychange", () => {
      if (document.visibilityState === "visible") this.#health.networkChanged();
    });
    this.#undo.push(watchSeen((seen) => this.#session?.seen(seen)));
  }

  readonly #ask: Ask = (method, data) => this.#socket.request(method, data);
}

// Joins a room; resolves when that is done, which in a room with a lobby takes until somebody opens.
export function connect(url: string | URL, options: ConnectOptions): Promise<Room> {
  return new Room(url, options).ready;
}
