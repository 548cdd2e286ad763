// A protoo client: requests in both directions, notifications, and a connection that comes back by itself.

import { backoff } from "./backoff";
import { type Json, type Message, parse } from "./messages";

// The server says with this code: closed on purpose, do not come back.
export const CLOSED_FOR_GOOD = 4000;

// Longer than any answer of a healthy server takes, shorter than people wait.
const REQUEST_TIMEOUT_MS = 15_000;

// A connection that has not opened by then is tried anew.
const OPEN_TIMEOUT_MS = 8_000;

export class RequestError extends Error {
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.name = "RequestError";
    this.code = code;
  }
}

export interface Handlers {
  open(): void;
  // The connection is gone; the next attempt is made in `retryInMs`.
  disconnected(attempt: number, retryInMs: number): void;
  // Gone, and no attempt will follow.
  closed(reason: string): void;
  // Answers a request of the server: the resolved value, or the error it is rejected with.
  request(method: string, data: Json): Promise<Json | undefined>;
  notification(method: string, data: Json): void;
}

// What the client needs of a WebSocket; tests give their own.
export type Socket = Pick<WebSocket, "send" | "close" | "readyState"> & {
  onopen: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
};

export interface Options {
  url: string;
  handlers: Handlers;
  connect?: (url: string) => Socket;
  random?: () => number;
}

interface Pending {
  method: string;
  resolve(data: unknown): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

const OPEN = 1;

export class ProtooClient {
  readonly #url: string;
  readonly #handlers: Handlers;
  readonly #connect: (url: string) => Socket;
  readonly #random: () => number;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #opening: ReturnType<typeof setTimeout> | undefined;
  #nextId = 1;
  #attempt = 0;
  #closed = false;

  constructor({ url, handlers, connect, random }: Options) {
    this.#url = url;
    this.#handlers = handlers;
    this.#connect = connect ?? ((address) => new WebSocket(address, "protoo"));
    this.#random = random ?? Math.random;
    this.#open();
  }

  get connected(): boolean {
    return this.#socket?.readyState === OPEN;
  }

  request(method: string, data: Json = {}, timeoutMs = REQUEST_TIMEOUT_MS): Promise<unknown> {
    const socket = this.#socket;
    if (!socket || socket.readyState !== OPEN) {
      return Promise.reject(new RequestError(0, `${method}: not connected`));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new RequestError(0, `${method}: the server does not answer`));
      }, timeoutMs);
      this.#pending.set(id, { method, resolve, reject, timer });
      socket.send(JSON.stringify({ request: true, id, method, data }));
    });
  }

  notify(method: string, data: Json = {}): void {
    if (this.connected) this.#socket?.send(JSON.stringify({ notification: true, method, data }));
  }

  // Gives the connection up and makes a new one at once: for when it is known or believed to be dead.
  reconnect(): void {
    if (this.#closed) return;
    this.#dropSocket();
    this.#failPending();
    clearTimeout(this.#retry);
    this.#attempt = 0;
    this.#handlers.disconnected(0, 0);
    this.#open();
  }

  // Skips the rest of the waiting time, if a next attempt is being waited for.
  retryNow(): void {
    if (this.#retry === undefined || this.#closed) return;
    clearTimeout(this.#retry);
    this.#open();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#dropSocket();
    this.#failPending();
  }

  #open(): void {
    this.#retry = undefined;
    const socket = this.#connect(this.#url);
    this.#socket = socket;
    this.#opening = setTimeout(() => this.#lost(socket), OPEN_TIMEOUT_MS);
    socket.onopen = () => {
      clearTimeout(this.#opening);
      this.#attempt = 0;
      this.#handlers.open();
    };
    socket.onmessage = (event) => {
      const message = typeof event.data === "string" ? parse(event.data) : undefined;
      if (message) this.#handle(socket, message);
    };
    socket.onclose = (event) => {
      if (event.code === CLOSED_FOR_GOOD) this.#closedForGood(event.reason);
      else this.#lost(socket);
    };
  }

  #lost(socket: Socket): void {
    if (this.#closed || socket !== this.#socket) return;
    this.#dropSocket();
    this.#failPending();
    const wait = backoff(this.#attempt, this.#random());
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.#open(), wait);
    this.#handlers.disconnected(this.#attempt, wait);
  }

  #closedForGood(reason: string): void {
    this.close();
    this.#handlers.closed(reason);
  }

  #dropSocket(): void {
    clearTimeout(this.#opening);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #failPending(): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { method, reject, timer } of pending) {
      clearTimeout(timer);
      reject(new RequestError(0, `${method}: connection lost`));
    }
  }

  #handle(socket: Socket, message: Message): void {
    if ("notification" in message) {
      this.#handlers.notification(message.method, message.data);
    } else if ("request" in message) {
      void this.#answer(socket, message.id, message.method, message.data);
    } else {
      const pending = this.#pending.get(message.id);
      if (!pending) return;
      this.#pending.delete(message.id);
      clearTimeout(pending.timer);
      if ("ok" in message) pending.resolve(message.data);
      else pending.reject(new RequestError(message.errorCode, message.errorReason));
    }
  }

  // The answer goes to the socket that asked: on a newer one nobody waits for it.
  async #answer(socket: Socket, id: number, method: string, data: Json): Promise<void> {
    let answer: object;
    try {
      answer = { ok: true, data: (await this.#handlers.request(method, data)) ?? {} };
    } catch (error) {
      const errorCode = error instanceof RequestError ? error.code : 500;
      answer = { errorCode, errorReason: error instanceof Error ? error.message : String(error) };
    }
    if (socket.readyState === OPEN) socket.send(JSON.stringify({ response: true, id, ...answer }));
  }
}
