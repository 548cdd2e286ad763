// The way into a room and back into it: keeps the connection, and starts a new session on each new one.

import type { types } from "mediasoup-client";
import type { TrackStats } from "../media/stats";
import { ProtooClient, type RequestError } from "../protoo/client";
import type { Json } from "../protoo/messages";
import { disconnected, ended, linkState } from "../store/state";
import { notice, type Store } from "../store/store";
import { pageSeen, watchSeen } from "../util/visible";
import { Chat } from "./chat";
import { type DataMessage, type ProducerIds, type SendOptions, Session, type SlotName } from "./session";
import type { View } from "./watching";

// Media that stays away for so long gets a new ICE start; short gaps heal by themselves.
const ICE_PATIENCE_MS = 2_500;

// Media that is still away so long after that gets a whole new connection.
const MEDIA_PATIENCE_MS = 10_000;

// An answer that takes longer than this means that the connection is dead, whatever the browser believes.
const PROBE_TIMEOUT_MS = 4_000;

// A room that loses its worker refuses what is asked of it before it says where it goes on.
const REFUSAL_GRACE_MS = 1_000;

// The server ends what was before the move by itself some time after it is asked to.
const RELEASE_TIMEOUT_MS = 15_000;

type Direction = "send" | "recv";

export interface ClientEvents {
  // A session begins, and nobody has been heard in it.
  started(): void;
  // Who can be heard, in dBov.
  volumes(volumes: Map<string, number>): void;
  // Who has the floor.
  dominant(peerId: string | undefined): void;
  data(message: DataMessage): void;
}

export class RoomClient {
  readonly #events: ClientEvents;
  readonly #chat: Chat;
  readonly #store: Store;
  readonly #options: SendOptions;
  readonly #protoo: ProtooClient;
  readonly #repairs = new Map<Direction, ReturnType<typeof setTimeout>>();
  readonly #undo: (() => void)[] = [];
  #session: Session | undefined;
  // Of before the room moved; what is shown or sent may still be theirs.
  #earlier: Session[] = [];
  // The server goes on with them until it is told that they are not needed.
  #gently = false;
  #view: View = new Map();
  #probing = false;
  #left = false;

  constructor(url: string, store: Store, options: SendOptions, events: ClientEvents) {
    this.#store = store;
    this.#events = events;
    this.#chat = new Chat(store);
    this.#options = options;
    this.#protoo = new ProtooClient({
      url,
      handlers: {
        open: () => {
          this.#endSession();
          void this.#start();
        },
        disconnected: (attempt, retryInMs) => {
          this.#endSession();
          store.setState(disconnected(attempt, Date.now() + retryInMs));
        },
        closed: (reason) => this.#closedForGood(reason),
        request: (method, data) => this.#request(method, data),
        notification: (method, data) => {
          if (method === "migrate") this.#migrate(data);
          else if (method === "draining") this.#draining(Number(data.seconds));
          else this.#session?.notification(method, data);
        },
      },
    });
    this.#listen(window, "online", () => this.#networkChanged());
    this.#listen(window, "offline", () => this.#networkChanged());
    this.#listen(document, "visibilitychange", () => {
      if (document.visibilityState === "visible") this.#networkChanged();
    });
    this.#undo.push(watchSeen((seen) => this.#session?.seen(seen)));
  }

  watch(view: View): void {
    this.#view = view;
    this.#session?.watch(view);
  }

  sync(name: SlotName): void {
    this.#session?.sync(name);
  }

  say(text: string): void {
    this.#chat.say(text);
  }

  async produceData(options: types.DataProducerOptions): Promise<types.DataProducer> {
    if (!this.#session) throw new Error("not in the meeting");
    return this.#session.produceData(options);
  }

  async stats(): Promise<Map<string, TrackStats>> {
    const all = new Map<string, TrackStats>();
    for (const session of [...this.#earlier, this.#session]) {
      for (const [track, stats] of (await session?.stats()) ?? []) all.set(track, stats);
    }
    return all;
  }

  async reports(): Promise<Record<Direction, unknown[]>> {
    return (await this.#session?.reports()) ?? { send: [], recv: [] };
  }

  retryNow(): void {
    this.#protoo.retryNow();
  }

  leave(): void {
    this.#left = true;
    for (const undo of this.#undo) undo();
    this.#endSession();
    this.#protoo.close();
  }

  async #start(earlier?: ProducerIds): Promise<void> {
    this.#events.started();
    const events = {
      media: (direction: Direction, state: types.ConnectionState) => this.#mediaState(direction, state),
      sendingFailed: (slot: SlotName, error: unknown) => this.#sendingFailed(slot, error),
      settled: () => void this.#release(),
      ...this.#events,
    };
    const session = new Session(this.#protoo, this.#store, this.#options, events, this.#chat, earlier);
    this.#session = session;
    session.watch(this.#view);
    session.seen(pageSeen());
    try {
      await session.start();
    } catch (error) {
      const final = (error as Partial<RequestError>).code !== 0;
      if (final) await new Promise((resolve) => setTimeout(resolve, REFUSAL_GRACE_MS));
      if (session.closed || this.#left) return;
      this.#startFailed(error);
    }
  }

  // The room goes on elsewhere: joins it there, on the same connection, and keeps what is on the page meanwhile.
  #migrate(data: Json): void {
    const session = this.#session;
    if (!session) return;
    this.#settle("send");
    this.#settle("recv");
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
    void this.#start(ids);
  }

  #draining(seconds: number): void {
    notice(this.#store, "info", {
      title: "The server will restart soon",
      hint: `In ${seconds} seconds at the latest. The page then connects again by itself.`,
    });
  }

  // Everything has arrived anew. Others may still need what is sent as before, until the server knows better.
  async #release(): Promise<void> {
    const done = this.#earlier;
    this.#earlier = [];
    if (this.#gently) await this.#protoo.request("migrated", {}, RELEASE_TIMEOUT_MS).catch(() => undefined);
    for (const session of done) session.close();
  }

  // A refusal by the server is final, a lost answer is not.
  #startFailed(error: unknown): void {
    const code = (error as Partial<RequestError>).code;
    if (code === 0) {
      this.#protoo.reconnect();
      return;
    }
    this.leave();
    this.#store.setState(ended({ title: "You could not join", hint: (error as Error).message }));
  }

  async #request(method: string, data: Json): Promise<Json | undefined> {
    return this.#session?.request(method, data);
  }

  #closedForGood(reason: string): void {
    this.leave();
    const hint =
      reason && !reason.includes("protoo")
        ? `The server says: ${reason}`
        : "The server ended this connection. Perhaps the meeting was opened elsewhere with the same identity.";
    this.#store.setState(ended({ title: "You are out of the meeting", hint }));
  }

  #sendingFailed(slot: SlotName, error: unknown): void {
    const noun = { mic: "microphone", camera: "camera", screen: "screen", "screen-audio": "screen's sound" }[
      slot
    ];
    notice(this.#store, "error", {
      title: `Others do not receive your ${noun}`,
      hint: error instanceof Error ? error.message : String(error),
    });
  }

  #mediaState(direction: Direction, state: types.ConnectionState): void {
    if (state === "connected") {
      this.#settle(direction);
      if (this.#repairs.size === 0) this.#store.setState(linkState("up"));
    } else if ((state === "disconnected" || state === "failed") && !this.#repairs.has(direction)) {
      this.#store.setState(linkState("weak"));
      const wait = state === "failed" ? 0 : ICE_PATIENCE_MS;
      this.#repairs.set(
        direction,
        setTimeout(() => this.#repair(direction), wait),
      );
    }
  }

  #repair(direction: Direction): void {
    this.#repairs.set(
      direction,
      setTimeout(() => this.#protoo.reconnect(), MEDIA_PATIENCE_MS),
    );
    this.#session?.restartIce(direction).catch((error: Partial<RequestError>) => {
      // The server does not know the transport any more: no patience will bring it back. Without an answer at all,
      // the timer above decides.
      if (error.code !== 0) this.#protoo.reconnect();
    });
  }

  #settle(direction: Direction): void {
    clearTimeout(this.#repairs.get(direction));
    this.#repairs.delete(direction);
  }

  // Asks something harmless: a connection over a network that went away looks open for minutes otherwise.
  #networkChanged(): void {
    if (!this.#protoo.connected) {
      this.#protoo.retryNow();
      return;
    }
    if (this.#probing) return;
    this.#probing = true;
    this.#protoo
      .request("getRouterRtpCapabilities", {}, PROBE_TIMEOUT_MS)
      .catch(() => {
        if (!this.#left && this.#protoo.connected) this.#protoo.reconnect();
      })
      .finally(() => {
        this.#probing = false;
      });
  }

  #endSession(): void {
    this.#settle("send");
    this.#settle("recv");
    this.#session?.close();
    this.#session = undefined;
    for (const session of this.#earlier) session.close();
    this.#earlier = [];
  }

  #listen(target: EventTarget, event: string, handler: () => void): void {
    target.addEventListener(event, handler);
    this.#undo.push(() => target.removeEventListener(event, handler));
  }
}
