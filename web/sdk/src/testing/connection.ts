// A WebSocket whose other end is the test.

import type { Json } from "../wire/frames.js";
import type { Connection } from "../wire/socket.js";

export class FakeConnection implements Connection {
  readyState: WebSocket["readyState"] = 0;
  readonly url: string;
  sent: Json[] = [];
  onclose: ((event: CloseEvent) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  #seq: number;

  constructor(url: string, seq = 0) {
    this.url = url;
    this.#seq = seq;
  }

  get seq(): number {
    return this.#seq;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  // What was asked under this name.
  asked(method: string): Json[] {
    return this.sent.filter((frame) => frame.request && frame.method === method);
  }

  methods(): unknown[] {
    return this.sent.filter(({ request }) => request).map(({ method }) => method);
  }

  frame(frame: unknown): void {
    this.readyState = 1;
    const data = typeof frame === "string" ? frame : JSON.stringify(frame);
    this.onmessage?.({ data } as MessageEvent);
  }

  // The next frame of the session.
  say(frame: Json): void {
    this.#seq += 1;
    this.frame({ ...frame, seq: this.#seq });
  }

  tell(method: string, data: Json = {}): void {
    this.say({ notification: true, method, data });
  }

  ask(id: number, method: string, data: Json = {}): void {
    this.say({ request: true, id, method, data });
  }

  answer(method: string, data: Json = {}): void {
    const asked = this.asked(method).at(-1);
    if (!asked) throw new Error(`${method} was not asked`);
    this.say({ response: true, id: asked.id, ok: true, data });
  }

  refuse(method: string, errorCode: number, errorReason: string): void {
    const asked = this.asked(method).at(-1);
    if (!asked) throw new Error(`${method} was not asked`);
    this.say({ response: true, id: asked.id, errorCode, errorReason });
  }

  resumed(lastRequestId: number, unanswered: number[] = []): void {
    this.frame({ notification: true, method: "resumed", data: { lastRequestId, unanswered } });
  }

  lose(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason } as CloseEvent);
  }
}
