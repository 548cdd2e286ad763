// The library's device without a browser: transports that connect at once, and tracks that are only named.

import type { Json } from "../wire/frames.js";

type Handler = (...args: never[]) => void;

export class FakeTransport {
  static readonly made: FakeTransport[] = [];

  readonly id: string;
  readonly direction: "send" | "recv";
  readonly options: Json;
  readonly consumed: Json[] = [];
  // Consumers whose identifiers these are cannot be made.
  readonly impossible = new Set<unknown>();
  closed = false;
  report = new Map<string, Json>();
  readonly #handlers = new Map<string, Handler>();
  #connected = false;

  constructor(direction: "send" | "recv", options: Json) {
    this.direction = direction;
    this.options = options;
    this.id = String(options.id);
    FakeTransport.made.push(this);
  }

  on(event: string, handler: Handler): void {
    this.#handlers.set(event, handler);
  }

  emit(event: string, ...args: unknown[]): void {
    (this.#handlers.get(event) as ((...all: unknown[]) => void) | undefined)?.(...args);
  }

  async produce({ track, appData }: { track: { id: string; kind: string }; appData: Json }): Promise<object> {
    await this.#connect();
    const { id } = await this.#ask("produce", { kind: track.kind, rtpParameters: {}, appData });
    return new FakeProducer(id, track);
  }

  async produceData({ label, appData }: Json): Promise<object> {
    await this.#connect();
    const data = { sctpStreamParameters: {}, label, protocol: "", appData };
    const { id } = await this.#ask("producedata", data);
    return { id, closed: false, readyState: "open", on: () => undefined, send: () => undefined };
  }

  async consume(options: Json): Promise<object> {
    if (this.impossible.has(options.id)) throw new Error("impossible");
    this.consumed.push(options);
    await this.#connect();
    const track = { id: `track-${options.id}`, kind: options.kind };
    return { ...options, track, rtpReceiver: undefined, close: () => undefined };
  }

  async getStats(): Promise<Map<string, Json>> {
    return this.report;
  }

  close(): void {
    this.closed = true;
  }

  async #connect(): Promise<void> {
    if (this.#connected) return;
    this.#connected = true;
    await new Promise<void>((resolve, reject) => {
      this.emit("connect", { dtlsParameters: { role: "client" } }, resolve, reject);
    });
  }

  #ask(event: string, data: object): Promise<{ id: string }> {
    return new Promise((resolve, reject) => this.emit(event, data, resolve, reject));
  }
}

class FakeProducer {
  readonly id: string;
  track: object;
  paused = false;
  closed = false;

  constructor(id: string, track: object) {
    this.id = id;
    this.track = track;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.closed = true;
  }

  async replaceTrack({ track }: { track: object }): Promise<void> {
    this.track = track;
  }
}

export class Device {
  readonly recvRtpCapabilities = { codecs: [] };
  readonly sendRtpCapabilities = {
    codecs: [{ kind: "video", mimeType: "video/VP8", clockRate: 90_000 }],
  };

  static async factory(): Promise<Device> {
    return new Device();
  }

  async load(): Promise<void> {}

  createSendTransport(options: Json): FakeTransport {
    return new FakeTransport("send", options);
  }

  createRecvTransport(options: Json): FakeTransport {
    return new FakeTransport("recv", options);
  }
}
