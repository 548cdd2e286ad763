// A narrow link between one page and the worker: its media goes through a relay that is slow, loses packets, and lets
// them wait, in one direction or both. The page finds the relay because the addresses that the node names are replaced on
// their way to it. Signalling is not touched otherwise, and no other page notices.

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import type { Page, WebSocketRoute } from "@playwright/test";
import { type Counts, OPEN, type Shape, Shaper } from "./shaper";

export type Direction = "up" | "down";

interface Flight {
  socket: Socket;
  data: Buffer;
  port: number;
  address: string;
}

interface Target {
  address: string;
  port: number;
}

// Different numbers in both directions, the same in every run.
const SEEDS: Record<Direction, number> = { up: 11, down: 12 };

interface Described {
  iceCandidates?: Candidate[];
}

// The transports that a message describes: itself, or those of a welcome, also when a room has moved.
function described(data: Record<string, unknown> | undefined): Described[] {
  const { transports, welcome } = data ?? {};
  if (welcome) return described(welcome as Record<string, unknown>);
  return transports ? Object.values(transports) : [data as Described];
}

export class Link {
  readonly #shapers: Record<Direction, Shaper<Flight>>;
  readonly #timers: Record<Direction, ReturnType<typeof setTimeout> | undefined> = {
    up: undefined,
    down: undefined,
  };
  // One socket towards the worker per address of the browser: for the worker they are different clients.
  readonly #upstream = new Map<string, Socket>();
  #front: Socket | undefined;
  #target: Target | undefined;
  #closed = false;

  constructor(shape: Partial<Record<Direction, Partial<Shape>>> = {}) {
    this.#shapers = {
      up: new Shaper({ ...OPEN, ...shape.up }, SEEDS.up),
      down: new Shaper({ ...OPEN, ...shape.down }, SEEDS.down),
    };
  }

  // Stands in front of the worker for this page. Before the page is opened.
  async cover(page: Page): Promise<void> {
    await page.routeWebSocket(/\/(plenum|protoo)/, (client: WebSocketRoute) => {
      const server = client.connectToServer();
      // One after the other: a message that has to wait for the relay's socket is not overtaken.
      let order = Promise.resolve();
      server.onMessage((message) => {
        order = order.then(async () => client.send(await this.#redirect(message)));
      });
    });
  }

  set(direction: Direction, shape: Partial<Shape>): void {
    this.#shapers[direction].set(now(), shape);
    this.#flush(direction);
  }

  counts(direction: Direction): Counts {
    return { ...this.#shapers[direction].counts };
  }

  close(): void {
    this.#closed = true;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    for (const socket of this.#upstream.values()) socket.close();
    this.#upstream.clear();
    this.#front?.close();
    this.#front = undefined;
  }

  // Puts the relay's address in place of the worker's wherever transports are described.
  async #redirect(message: string | Buffer): Promise<string | Buffer> {
    if (typeof message !== "string" || !message.includes("iceCandidates")) return message;
    const parsed = JSON.parse(message);
    for (const transport of described(parsed.data)) await this.#stand(transport);
    return JSON.stringify(parsed);
  }

  async #stand(transport: Described): Promise<void> {
    const real = transport.iceCandidates?.find(({ protocol }) => protocol === "udp");
    if (!real) return;
    const address = real.address ?? real.ip;
    this.#target = { address, port: real.port };
    transport.iceCandidates = [{ ...real, port: await this.#open(address) }];
  }

  async #open(address: string): Promise<number> {
    if (!this.#front) {
      const front = createSocket(address.includes(":") ? "udp6" : "udp4");
      this.#front = front;
      front.on("message", (data, from) => this.#fromPage(data, from));
      front.on("error", () => undefined);
      await new Promise<void>((resolve) => front.bind(0, address, resolve));
    }
    return this.#front.address().port;
  }

  #fromPage(data: Buffer, from: RemoteInfo): void {
    const target = this.#target;
    if (!target || this.#closed) return;
    this.#carry("up", { socket: this.#towards(from), data, ...target });
  }

  #towards({ address, port, family }: RemoteInfo): Socket {
    const key = `${address} ${port}`;
    const known = this.#upstream.get(key);
    if (known) return known;
    const socket = createSocket(family === "IPv6" ? "udp6" : "udp4");
    socket.on("message", (data) => {
      if (this.#front) this.#carry("down", { socket: this.#front, data, address, port });
    });
    // A worker that is gone is refused by the system; the page notices by itself.
    socket.on("error", () => undefined);
    this.#upstream.set(key, socket);
    return socket;
  }

  #carry(direction: Direction, flight: Flight): void {
    this.#shapers[direction].push(now(), flight, flight.data.length);
    this.#flush(direction);
  }

  #flush(direction: Direction): void {
    if (this.#closed) return;
    const shaper = this.#shapers[direction];
    for (const { socket, data, port, address } of shaper.pop(now())) socket.send(data, port, address);
    clearTimeout(this.#timers[direction]);
    const next = shaper.next();
    if (next === undefined) return;
    this.#timers[direction] = setTimeout(() => this.#flush(direction), Math.max(0, next - now()));
  }
}

interface Candidate {
  ip: string;
  address?: string;
  port: number;
  protocol: string;
}

function now(): number {
  return performance.now();
}
