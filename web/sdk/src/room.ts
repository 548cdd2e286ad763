// A room: the way into it and back into it, what is in it, and what can be done there.

import type { types } from "mediasoup-client";
import { type Address, randomPeer, signallingUrl } from "./address.js";
import { Attachments } from "./attach.js";
import { Chat } from "./chat.js";
import { type End, EndedError, ending, RequestError, refusal } from "./errors.js";
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
import { Route } from "./route.js";
import type { Direction, ProduceData, SessionHost, SessionOptions } from "./session.js";
import { Sessions } from "./sessions.js";
import { Shown } from "./shown.js";
import { pageSeen, watchSeen } from "./visible.js";
import type { View } from "./watching.js";
import type { Json } from "./wire/frames.js";
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

const CONNECTING: ConnectionState = { state: "connecting", attempt: 0, retryAt: 0 };

export class Room extends Emitter<RoomEvents> {
  readonly chat = new Chat();
  readonly #model: Model;
  readonly #options: SessionOptions;
  readonly #address: Address;
  readonly #route: Route;
  readonly #socket: Socket;
  readonly #health: Health;
  readonly #sessions: Sessions;
  readonly #attachments: Attachments;
  readonly #shown: Shown;
  readonly #publishing: Publishing;
  readonly #undo: (() => void)[] = [];
  #state: RoomState = "joining";
  #connection = CONNECTING;
  #end: End | undefined;
  #joinedBefore = false;
  // The name that others know.
  #agreedName: string;
  #produceData: ProduceData | undefined;
  #view: View | undefined;

  // Begins at once; `ready` tells when the room is joined.
  constructor(url: string | URL, options: ConnectOptions) {
    super();
    const { room, peer = randomPeer(), token, namespace, urls = [] } = options;
    this.#address = { room, peer, token, namespace };
    this.#route = new Route({ given: [url, ...urls].map(String), online: () => navigator.onLine !== false });
    this.#options = sessionOptions(options);
    const { displayName } = this.#options;
    this.#agreedName = displayName;
    this.#attachments = new Attachments(() => this.#watch());
    this.#shown = new Shown({
      attachments: this.#attachments,
      added: (track) => this.emit("trackAdded", track),
      replaced: (track, before) => this.emit("trackReplaced", track, before),
      removed: (track) => this.emit("trackRemoved", track),
    });
    this.#model = new Model(room, namespace ?? "default", displayName, () => this.tracks.values());
    this.#model.self.id = peer;
    this.#publishing = new Publishing({
      session: () => (this.#state === "joined" ? this.#sessions.current : undefined),
      may: (right) => this.#model.may(right),
      revoked: (local) => this.emit("revoked", local),
    });
    this.#relay();
    this.#socket = new Socket({
      address: (resume) =>
        signallingUrl(resume ? this.#route.home : this.#route.target, this.#address, resume),
      unanswered: (resuming) => this.#route.unanswered(resuming),
      forgotten: () => this.#route.forgotten(),
      hasOthers: () => this.#route.hasOthers,
      redirected: (to) => this.#route.redirected(to),
      handlers: {
        welcome: (data) => this.#welcome(data),
        resumed: () => {
          this.#route.answered();
          this.#up();
        },
        interrupted: (attempt, retryInMs, resuming) => this.#interrupted(attempt, retryInMs, resuming),
        lost: () => this.#lost(),
        closed: (ending) => this.#closedForGood(ending),
        request: (method, data) => this.#request(method, data),
        notification: (method, data) => this.#notification(method, data),
      },
      ...(options.connect ? { connect: options.connect } : {}),
    });
    this.#sessions = new Sessions({
      host: this.#sessionHost(makeIdentity()),
      socket: this.#socket,
      begun: (session) => {
        this.#watch();
        session.seen(pageSeen());
      },
      refused: (error) => this.#finish(refusal(error)),
    });
    this.#health = new Health({
      socket: this.#socket,
      restartIce: async (direction) => this.#sessions.current?.restartIce(direction),
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
    return this.#shown.tracks;
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
    const session = this.#sessions.current;
    if (!session) throw new RequestError(0, "not connected");
    return session.consume(producerIds);
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
      // The answer to joining may have said the one before meanwhile.
      if (this.#options.displayName === displayName) this.#model.rename(displayName);
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
    return this.#sessions.stats();
  }

  // The whole reports of the browser.
  async reports(): Promise<Record<Direction, unknown[]>> {
    return this.#sessions.reports();
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
      shown: () => this.tracks.values(),
      joined: (answer) => this.#joined(answer),
      waiting: () => this.#waiting(),
      added: (track) => this.#shown.add(track),
      removed: (track) => this.#shown.remove(track),
      changed: (track) => {
        if (this.#shown.has(track)) this.emit("trackChanged", track);
      },
      replaced: (track) => this.#shown.replace(track),
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
    this.#endSessions();
    const welcome = readWelcome(data);
    this.#route.welcomed(welcome.nodes);
    this.#model.welcome(welcome);
    this.#sessions.begin(data);
  }

  #joined(answer: Json): void {
    const again = this.#joinedBefore;
    this.#joinedBefore = true;
    const joined = readJoined(answer);
    this.#agreedName = joined.displayName ?? this.#options.displayName;
    this.#model.joined(joined, this.#sessions.moving);
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

  #migrate(data: Json): void {
    if (this.#sessions.current) this.#health.reset();
    this.#sessions.move(data);
  }

  // After a move everything has arrived anew.
  #settled(kept: ReadonlySet<string>): void {
    this.#model.settle();
    this.#shown.clear(({ id, peerId }) => kept.has(id) && this.#model.peers.has(peerId));
    this.#sessions.moved();
  }

  #lost(): void {
    this.#endSessions();
    this.#shown.clear();
    this.#state = "joining";
    this.emit("volumes", new Map());
  }

  #endSessions(): void {
    this.#health.reset();
    this.#sessions.end();
  }

  async #request(method: string, data: Json): Promise<Json> {
    const session = this.#sessions.current;
    if (!session) throw new RequestError(403, "not ready");
    return session.request(method, data);
  }

  #notification(method: string, data: Json): void {
    try {
      if (method === "migrate") this.#migrate(data);
      else if (method === "draining") this.emit("draining", Number(data.seconds));
      else if (method === "speakingPeers") this.emit("volumes", readVolumes(data));
      else if (method === "activeSpeaker") this.emit("activeSpeaker", readSpeaker(data));
      else if (!this.#sessions.current?.notification(method, data)) this.#model.notification(method, data);
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
    this.#finish(ending(code, reason));
  }

  #finish(end: End): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#end = end;
    for (const undo of this.#undo) undo();
    this.#endSessions();
    this.#socket.close();
    this.#health.close();
    this.#shown.clear();
    this.#attachments.close();
    this.#publishing.close();
    this.#model.clear();
    this.emit("ended", end);
  }

  // ---- The world around

  #watch(): void {
    const session = this.#sessions.current;
    if (this.#view) session?.watch(this.#view, "nothing");
    else session?.watch(this.#attachments.view(), "all");
  }

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
        this.#sessions.current?.rightsChanged();
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
    this.#undo.push(watchSeen((seen) => this.#sessions.current?.seen(seen)));
  }

  readonly #ask: Ask = (method, data) => this.#socket.request(method, data);
}

// Joins a room; resolves when that is done, which in a room with a lobby takes until somebody opens.
export function connect(url: string | URL, options: ConnectOptions): Promise<Room> {
  return new Room(url, options).ready;
}
