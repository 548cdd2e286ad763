// The sessions of a room, one after the other: the way into each, and from one to the next when the room moves.

import { RequestError } from "./errors.js";
import type { TrackStats } from "./media/stats.js";
import { type Direction, type ProducerIds, Session, type SessionHost } from "./session.js";
import { type Json, object } from "./wire/frames.js";
import { readWelcome } from "./wire/messages.js";
import type { Socket } from "./wire/socket.js";

// A room that loses its worker refuses what is asked of it before it says where it goes on.
const REFUSAL_GRACE_MS = 1_000;

// The server ends what was before a move by itself some time after it is asked to.
const RELEASE_TIMEOUT_MS = 15_000;

export interface SessionsOptions {
  // Of each of them.
  host: SessionHost;
  socket: Pick<Socket, "request" | "restart">;
  // To be told what is looked at.
  begun(session: Session): void;
  // The server does not take this client in.
  refused(error: unknown): void;
}

export class Sessions {
  readonly #options: SessionsOptions;
  #current: Session | undefined;
  // Of before the room moved; what is shown or sent may still be theirs.
  #earlier: Session[] = [];
  // The server goes on with them until it is told that they are not needed.
  #gently = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get current(): Session | undefined {
    return this.#current;
  }

  // What was before a move is still needed.
  get moving(): boolean {
    return this.#earlier.length > 0;
  }

  // The first one, or the next one after all of before has ended.
  begin(welcome: Json): void {
    void this.#start(welcome);
  }

  // The room goes on elsewhere: joins it there, on the same connection, and keeps what is shown meanwhile.
  move(data: Json): void {
    const session = this.#current;
    if (!session) return;
    this.#gently = data.makeBeforeBreak === true;
    const ids = session.producerIds;
    if (session.joined) {
      session.retire(this.#gently);
      this.#earlier.push(session);
    } else {
      session.close();
    }
    if (!this.#gently) for (const one of this.#earlier) one.retire(false);
    this.#current = undefined;
    void this.#start(object(data.welcome), ids);
  }

  // Everything has arrived anew. Others may still need what is sent as before, until the server knows better.
  moved(): void {
    const done = this.#earlier;
    this.#earlier = [];
    const release = this.#gently
      ? this.#options.socket.request("migrated", {}, RELEASE_TIMEOUT_MS).catch(() => undefined)
      : Promise.resolve();
    void release.then(() => {
      for (const session of done) session.close();
    });
  }

  end(): void {
    this.#current?.close();
    this.#current = undefined;
    for (const session of this.#earlier) session.close();
    this.#earlier = [];
  }

  // Figures of all tracks in both directions, by track id.
  async stats(): Promise<Map<string, TrackStats>> {
    const all = new Map<string, TrackStats>();
    for (const session of [...this.#earlier, this.#current]) {
      for (const [track, stats] of (await session?.stats()) ?? []) all.set(track, stats);
    }
    return all;
  }

  // The whole reports of the browser.
  async reports(): Promise<Record<Direction, unknown[]>> {
    return (await this.#current?.reports()) ?? { send: [], recv: [] };
  }

  async #start(welcome: Json, earlier?: ProducerIds): Promise<void> {
    const session = new Session(this.#options.host, readWelcome(welcome), earlier);
    this.#current = session;
    this.#options.begun(session);
    try {
      await session.start();
    } catch (error) {
      await this.#failed(session, error);
    }
  }

  // A refusal by the server is final, a lost answer is not.
  async #failed(session: Session, error: unknown): Promise<void> {
    const lost = error instanceof RequestError && error.code === 0;
    if (!lost) await new Promise((resolve) => setTimeout(resolve, REFUSAL_GRACE_MS));
    if (session.closed) return;
    if (lost) this.#options.socket.restart();
    else this.#options.refused(error);
  }
}
