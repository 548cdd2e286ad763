// Keeps what carries media and signalling alive: repairs it when it stays away, and looks after it when the network
// changes.

import type { types } from "mediasoup-client";
import { RequestError } from "./errors.js";
import type { Direction } from "./session.js";
import type { Json } from "./wire/frames.js";

// Media that stays away for so long gets a new ICE start; short gaps heal by themselves.
const ICE_PATIENCE_MS = 2_500;

// Media that is still away so long after that gets a whole new session.
const MEDIA_PATIENCE_MS = 10_000;

// An answer that takes longer than this means that the connection is dead, whatever the browser believes.
const PROBE_TIMEOUT_MS = 4_000;

export interface HealthOptions {
  socket: {
    readonly connected: boolean;
    request(method: string, data: Json, timeoutMs: number): Promise<Json>;
    reconnect(): void;
    restart(): void;
    retryNow(): void;
  };
  restartIce(direction: Direction): Promise<void>;
  // Whether media arrives and leaves.
  weak(weak: boolean): void;
}

export class Health {
  readonly #options: HealthOptions;
  readonly #repairs = new Map<Direction, ReturnType<typeof setTimeout>>();
  #probing = false;
  #closed = false;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  // Media stays away, and is being repaired.
  get weak(): boolean {
    return this.#repairs.size > 0;
  }

  media(direction: Direction, state: types.ConnectionState): void {
    if (state === "connected") {
      this.#settle(direction);
      if (this.#repairs.size === 0) this.#options.weak(false);
    } else if ((state === "disconnected" || state === "failed") && !this.#repairs.has(direction)) {
      this.#options.weak(true);
      const wait = state === "failed" ? 0 : ICE_PATIENCE_MS;
      this.#repairs.set(
        direction,
        setTimeout(() => this.#repair(direction), wait),
      );
    }
  }

  // Another session begins, with transports of its own.
  reset(): void {
    this.#settle("send");
    this.#settle("recv");
  }

  // Asks something harmless: a connection over a network that went away looks open for minutes otherwise.
  networkChanged(): void {
    const { socket } = this.#options;
    if (this.#closed) return;
    if (!socket.connected) {
      socket.retryNow();
      return;
    }
    if (this.#probing) return;
    this.#probing = true;
    socket
      .request("ping", {}, PROBE_TIMEOUT_MS)
      .catch((error: unknown) => {
        // Any answer is one, also of a server that does not know the word.
        if (unanswered(error) && !this.#closed && socket.connected) socket.reconnect();
      })
      .finally(() => {
        this.#probing = false;
      });
  }

  close(): void {
    this.#closed = true;
    this.reset();
  }

  #repair(direction: Direction): void {
    this.#repairs.set(
      direction,
      setTimeout(() => this.#options.socket.restart(), MEDIA_PATIENCE_MS),
    );
    this.#options.restartIce(direction).catch((error: unknown) => {
      // The server does not know the transport any more: no patience will bring it back. Without an answer at all,
      // the timer above decides.
      if (!unanswered(error) && !this.#closed) this.#options.socket.restart();
    });
  }

  #settle(direction: Direction): void {
    clearTimeout(this.#repairs.get(direction));
    this.#repairs.delete(direction);
  }
}

function unanswered(error: unknown): boolean {
  return error instanceof RequestError && error.code === 0;
}
