// The connection of a session: requests in both directions, notifications, and the way back. A WebSocket that breaks is
// replaced by another one under the same session as long as the server keeps it; nothing is lost then, and whoever
// waits for an answer goes on waiting. After that a new session begins.

import { RequestError } from "../errors.js";
import { backoff } from "./backoff.js";
import { type Frame, isObject, type Json, parse } from "./frames.js";

// Closed on purpose, do not come back: generally, for want of a valid token, by somebody who may.
const FINAL_CODES: readonly number[] = [4000, 4401, 4403];

// The server does not have the session any more.
const UNKNOWN_SESSION = 4404;

// The server ends, or has no place: it keeps no session meanwhile.
const COME_AGAIN: readonly number[] = [1012, 1013];

// Longer than any answer of a healthy server takes, shorter than people wait.
const REQUEST_TIMEOUT_MS = 15_000;

// A connection on which nothing was said by then is tried anew.
const OPEN_TIMEOUT_MS = 8_000;

// The same where another node may be tried instead: a few round trips, and TLS, over a slow network.
const OPEN_TIMEOUT_WITH_OTHERS_MS = 2_500;

// A machine that is gone says so to nobody. Who has heard nothing for so long asks for a sign of life, …
const QUIET_MS = 2_500;

// … and looks elsewhere without an answer by then.
const SIGN_OF_LIFE_MS = 2_500;

// The first attempt to resume follows at once, the next ones soon: the server keeps a session for seconds only.
const RESUME_EVERY_MS = 400;

// A server that wants to be asked later than this is asked sooner.
const LONGEST_SLOT_MS = 60_000;

// What closes a connection whose session is to go on over another one: 1000, 1001 and no code at all would end it.
const RESUMING = 4001;

// Answers that may have been lost with a connection. The server asks less in the time of a round trip.
const ANSWERS_KEPT = 32;

export interface Ending {
  code: number;
  reason: string;
}

export interface Handlers {
  // A session begins; nothing of an earlier one holds any more.
  welcome(data: Json): void;
  // The session goes on over another connection.
  resumed(): void;
  // The connection is gone; the next attempt is made in `retryInMs`, to resume the session or to begin another one.
  interrupted(attempt: number, retryInMs: number, resuming: boolean): void;
  // The session is gone.
  lost(): void;
  // Gone, and no attempt will follow.
  closed(ending: Ending): void;
  // Answers a request of the server: the resolved value, or the error it is rejected with.
  request(method: string, data: Json): Promise<Json | undefined>;
  notification(method: string, data: Json): void;
}

// What is needed of a WebSocket; tests give their own.
export type Connection = Pick<WebSocket, "send" | "close" | "readyState"> & {
  onclose: ((event: CloseEvent) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
};

export interface Resumption {
  token: string;
  seq: number;
}

export interface SocketOptions {
  // Where to connect to, for a new session or to resume one.
  address(resume: Resumption | undefined): string | Promise<string>;
  // A connection carried nothing, or has fallen silent, and `resuming`, there is a session to go on with. The address is another
  // one then.
  unanswered?(resuming: boolean): void;
  // Whoever was asked for the session knows that there is none.
  forgotten?(): void;
  // Whether there is another address at all.
  hasOthers?(): boolean;
  // A node sends this client to another one; false if it is not to go there.
  redirected?(url: string): boolean;
  handlers: Handlers;
  connect?: (url: string) => Connection;
  random?: () => number;
  now?: () => number;
}

interface Pending {
  id: number;
  method: string;
  text: string;
  resolve(data: Json): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

interface Session {
  token: string;
  resumeWithinMs: number;
}

const OPEN = 1;

export class Socket {
  readonly #options: SocketOptions;
  readonly #handlers: Handlers;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #pending = new Map<number, Pending>();
  // Answers that were given, by the number of the question.
  readonly #answers = new Map<number, string>();
  #connection: Connection | undefined;
  // The connection carries the session: it was welcomed or resumed.
  #ready = false;
  #session: Session | undefined;
  #seq = 0;
  // Until then the server keeps the session, if the connection is broken.
  #resumeUntil: number | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #opening: ReturnType<typeof setTimeout> | undefined;
  // Runs while nothing comes.
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #nextId = 1;
  #attempt = 0;
  // In how many milliseconds the server wants to see this client again.
  #slot: number | undefined;
  #closed = false;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#handlers = options.handlers;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? Date.now;
    this.#open();
  }

  // Whether what is said leaves at once.
  get connected(): boolean {
    return this.#ready && this.#connection?.readyState === OPEN;
  }

  // While the connection is broken, requests wait for the session to be resumed.
  request(method: string, data: Json = {}, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Json> {
    if (!this.#session || this.#closed) {
      return Promise.reject(new RequestError(0, `${method}: not connected`));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new RequestError(0, `${method}: the server does not answer`));
      }, timeoutMs);
      const text = JSON.stringify({ request: true, id, method, data });
      this.#pending.set(id, { id, method, text, resolve, reject, timer });
      this.#send(text);
    });
  }

  // Gives the connection up and makes another one at once: for when it is known or believed to be dead.
  reconnect(): void {
    if (this.#closed) return;
    this.#dropConnection();
    clearTimeout(this.#retry);
    this.#attempt = 0;
    this.#keepSession();
    this.#handlers.interrupted(0, 0, this.#resumable());
    this.#open();
  }

  // Gives the session up and begins another one.
  restart(): void {
    if (this.#closed) return;
    this.#dropConnection(1000);
    this.#loseSession();
    this.reconnect();
  }

  // Skips the rest of the waiting time, if a next attempt is being waited for.
  retryNow(): void {
    if (this.#retry === undefined || this.#closed) return;
    clearTimeout(this.#retry);
    this.#open();
  }

  // What was said before leaves first.
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#dropConnection(1000);
    this.#session = undefined;
    this.#failPending();
  }

  #open(): void {
    this.#retry = undefined;
    if (this.#session && !this.#resumable()) this.#loseSession();
    const token = this.#session?.token;
    const address = this.#options.address(token === undefined ? undefined : { token, seq: this.#seq });
    if (typeof address === "string") {
      this.#connect(address);
      return;
    }
    address.then(
      (url) => {
        if (this.#closed) return;
        try {
          this.#connect(url);
        } catch (error) {
          // An address to which nobody can connect becomes none by waiting.
          this.#end({ code: 0, reason: error instanceof Error ? error.message : String(error) });
        }
      },
      // Whoever makes the token may be out of reach as the server may be.
      () => this.#wait(),
    );
  }

  #connect(url: string): void {
    const connect = this.#options.connect ?? ((address) => new WebSocket(address, "plenum"));
    const connection = connect(url);
    this.#dropConnection();
    this.#connection = connection;
    const patience = this.#options.hasOthers?.() ? OPEN_TIMEOUT_WITH_OTHERS_MS : OPEN_TIMEOUT_MS;
    this.#opening = setTimeout(() => this.#broken(connection), patience);
    connection.onmessage = (event) => {
      const frame = typeof event.data === "string" ? parse(event.data) : undefined;
      if (!frame || connection !== this.#connection) return;
      this.#listen(connection);
      this.#receive(frame);
    };
    connection.onclose = ({ code, reason }) => {
      if (connection !== this.#connection) return;
      if (FINAL_CODES.includes(code)) this.#end({ code, reason });
      else if (code === UNKNOWN_SESSION && this.#session) this.#beginAnew();
      else this.#broken(connection, COME_AGAIN.includes(code));
    };
  }

  // Something has come. If nothing more does, asks whether anybody is there.
  #listen(connection: Connection): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      if (!this.connected || connection !== this.#connection) return;
      this.request("ping", {}, SIGN_OF_LIFE_MS).catch((error: unknown) => {
        // Any answer is one, also of a server that does not know the word.
        const silent = error instanceof RequestError && error.code === 0;
        if (silent && connection === this.#connection) this.#broken(connection, false, true);
      });
    }, QUIET_MS);
  }

  #receive(frame: Frame): void {
    if ("notification" in frame && frame.method === "resumed") {
      this.#resume(frame.data);
      return;
    }
    if ("notification" in frame && frame.method === "redirect" && !this.#ready) {
      this.#redirect(frame.data);
      return;
    }
    if ("notification" in frame && frame.method === "comeBack" && !this.#ready) {
      const { afterMs } = frame.data;
      if (typeof afterMs === "number" && afterMs >= 0) this.#slot = Math.min(afterMs, LONGEST_SLOT_MS);
      return;
    }
    if (frame.seq !== undefined) {
      // It was here before the connection broke.
      if (frame.seq <= this.#seq && this.#session && !isWelcome(frame)) return;
      this.#seq = frame.seq;
    }
    if ("notification" in frame) {
      this.#takeSession(frame.data);
      if (frame.method === "welcome") this.#welcome(frame.data);
      else this.#handlers.notification(frame.method, frame.data);
    } else if ("request" in frame) {
      void this.#answer(frame.id, frame.method, frame.data);
    } else {
      this.#settle(frame.id, frame);
    }
  }

  #redirect({ url }: Json): void {
    if (typeof url !== "string" || this.#options.redirected?.(url) !== true) return;
    this.#dropConnection(1000);
    this.#open();
  }

  #welcome(data: Json): void {
    this.#established();
    this.#answers.clear();
    this.#handlers.welcome(data);
  }

  // What the server has not seen is said again.
  #resume({ lastRequestId, unanswered }: Json): void {
    this.#established();
    const seen = typeof lastRequestId === "number" ? lastRequestId : -1;
    for (const id of Array.isArray(unanswered) ? (unanswered as unknown[]) : []) {
      const answer = this.#answers.get(Number(id));
      if (answer !== undefined) this.#connection?.send(answer);
    }
    for (const { id, text } of [...this.#pending.values()]) if (id > seen) this.#connection?.send(text);
    this.#handlers.resumed();
  }

  #established(): void {
    clearTimeout(this.#opening);
    this.#attempt = 0;
    this.#resumeUntil = undefined;
    this.#ready = true;
  }

  // A session is told with its welcome, also when a room moves.
  #takeSession(data: Json): void {
    const { session } = isObject(data.welcome) ? data.welcome : data;
    if (!isObject(session) || typeof session.token !== "string") return;
    const seconds = typeof session.resumeWithin === "number" ? session.resumeWithin : 0;
    this.#session = { token: session.token, resumeWithinMs: seconds * 1000 };
  }

  #settle(id: number, answer: Extract<Frame, { response: true }>): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if ("ok" in answer) pending.resolve(answer.data);
    else pending.reject(new RequestError(answer.errorCode, answer.errorReason));
  }

  #broken(connection: Connection, forGood = false, silent = false): void {
    if (this.#closed || connection !== this.#connection) return;
    const carried = this.#ready;
    this.#dropConnection();
    if (forGood) this.#loseSession();
    else this.#keepSession();
    // A node that says when to come again has answered, and is asked again.
    if (this.#slot === undefined && (!carried || silent)) this.#options.unanswered?.(this.#resumable());
    this.#wait();
  }

  #wait(): void {
    if (this.#closed) return;
    const resuming = this.#resumable();
    const usual = resuming
      ? Math.round(Math.min(this.#attempt, 1) * RESUME_EVERY_MS * (0.8 + 0.2 * this.#random()))
      : backoff(this.#attempt, this.#random());
    const wait = this.#slot ?? usual;
    this.#slot = undefined;
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.#open(), wait);
    this.#handlers.interrupted(this.#attempt, wait, resuming);
  }

  #beginAnew(): void {
    this.#dropConnection();
    this.#options.forgotten?.();
    this.#loseSession();
    this.#open();
  }

  #end(ending: Ending): void {
    this.close();
    this.#handlers.closed(ending);
  }

  // The clock of the server starts when it notices, which is not before this.
  #keepSession(): void {
    if (!this.#session) return;
    this.#resumeUntil ??= this.#now() + this.#session.resumeWithinMs;
  }

  #resumable(): boolean {
    return this.#session !== undefined && this.#now() < (this.#resumeUntil ?? Number.POSITIVE_INFINITY);
  }

  #loseSession(): void {
    this.#resumeUntil = undefined;
    if (!this.#session) return;
    this.#session = undefined;
    this.#seq = 0;
    this.#answers.clear();
    this.#attempt = 0;
    this.#failPending();
    this.#handlers.lost();
  }

  #dropConnection(code = RESUMING): void {
    clearTimeout(this.#opening);
    clearTimeout(this.#quiet);
    const connection = this.#connection;
    this.#connection = undefined;
    this.#ready = false;
    if (!connection) return;
    connection.onmessage = null;
    connection.onclose = null;
    connection.close(code);
  }

  #failPending(): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { method, reject, timer } of pending) {
      clearTimeout(timer);
      reject(new RequestError(0, `${method}: connection lost`));
    }
  }

  async #answer(id: number, method: string, data: Json): Promise<void> {
    const session = this.#session;
    let answer: object;
    try {
      answer = { ok: true, data: (await this.#handlers.request(method, data)) ?? {} };
    } catch (error) {
      const errorCode = error instanceof RequestError && error.code !== 0 ? error.code : 500;
      answer = { errorCode, errorReason: error instanceof Error ? error.message : String(error) };
    }
    // In another session nobody waits for it.
    if (session === undefined || session.token !== this.#session?.token) return;
    const text = JSON.stringify({ response: true, id, ...answer });
    this.#answers.set(id, text);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > ANSWERS_KEPT && oldest !== undefined) this.#answers.delete(oldest);
    this.#send(text);
  }

  #send(text: string): void {
    if (this.connected) this.#connection?.send(text);
  }
}

function isWelcome(frame: Frame): boolean {
  return "notification" in frame && frame.method === "welcome";
}
