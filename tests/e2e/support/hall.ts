// Starts and stops the real binary.

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";

const BINARY = process.env.PLENUM_BIN ?? new URL("../../../target/debug/plenum", import.meta.url).pathname;
const READY_MS = 20_000;
const STOP_MS = 10_000;

export interface Worker {
  workerId: number;
  pid: number | null;
  state: string;
}

export type Settings = Record<string, string | number>;

// One node, with one worker unless told otherwise, on ports that were free a moment ago.
export class Hall {
  readonly port: number;
  readonly #rtcPort: number;
  readonly #workers: number;
  readonly #settings: Settings;
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(port: number, rtcPort: number, workers: number, settings: Settings) {
    this.port = port;
    this.#rtcPort = rtcPort;
    this.#workers = workers;
    this.#settings = settings;
  }

  static async open(workers = 1, settings: Settings | ((port: number) => Settings) = {}): Promise<Hall> {
    const port = await freeTcpPort();
    const given = typeof settings === "function" ? settings(port) : settings;
    const share = Number(given["rtc.ports_per_worker"] ?? 1);
    const hall = new Hall(port, await freeMediaPorts(workers * share), workers, given);
    await hall.start();
    return hall;
  }

  get url(): string {
    const ip = String(this.#settings["http.listen_ip"] ?? "127.0.0.1");
    const host = ip.includes(":") ? `[${ip}]` : ip;
    return `http://${host}:${this.port}`;
  }

  // What the node has written so far.
  get log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    if (!existsSync(BINARY))
      throw new Error(`${BINARY} is missing: build it, or name another one in PLENUM_BIN`);
    const settings = {
      "rtc.min_port": this.#rtcPort,
      "rtc.ports_per_worker": 1,
      // An unoptimised worker beside browsers on few cores is busy, and takes rooms all the same.
      "workers.max_cpu_percent": 0,
      "log.level": "debug",
      ...this.#settings,
    };
    const sets = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const args = ["serve", "--port", String(this.port), "--workers", String(this.#workers), ...sets];
    // Settings come from here alone; the node refuses variables that it does not know.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith("PLENUM_")),
    );
    const child = spawn(BINARY, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const note = (chunk: Buffer): void => {
      this.#log += chunk.toString();
    };
    child.stdout?.on("data", note);
    child.stderr?.on("data", note);
    await this.#ready(child);
  }

  // Ctrl-C's gentler sibling; resolves when the process is gone.
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  // The worker that a room is on.
  async workerOf(room: string): Promise<Worker> {
    const { workers, placements } = await this.#stats();
    const worker = workers.find(({ workerId }) => workerId === placements[room]?.workerId);
    if (!worker) throw new Error(`no worker has the room ${room}`);
    return worker;
  }

  // Ends or stops the process of a worker.
  strike({ pid }: Worker, signal: NodeJS.Signals): void {
    if (pid === null) throw new Error("the worker does not run");
    process.kill(pid, signal);
  }

  // Asks for a worker's rooms to be moved elsewhere.
  async drain({ workerId }: Worker): Promise<void> {
    const answer = await fetch(`${this.url}/api/v1/workers/${workerId}/drain`, { method: "POST" });
    if (answer.status !== 202) throw new Error(`drain: ${answer.status} ${await answer.text()}`);
  }

  async stateOf({ workerId }: Worker): Promise<string | undefined> {
    const { workers } = await this.#stats();
    return workers.find((worker) => worker.workerId === workerId)?.state;
  }

  async #stats(): Promise<{ workers: Worker[]; placements: Record<string, { workerId: number }> }> {
    const answer = await fetch(`${this.url}/stats`);
    return await answer.json();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await gone;
    clearTimeout(late);
  }

  async #ready(child: ChildProcess): Promise<void> {
    const until = Date.now() + READY_MS;
    while (Date.now() < until) {
      if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}:\n${this.#log}`);
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the node is not ready:\n${this.#log}`);
  }
}

export function freeTcpPort(wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(wanted, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

// The first of so many, for UDP and TCP.
async function freeMediaPorts(count: number): Promise<number> {
  for (;;) {
    const first = await freeUdpPort(0);
    const others = Array.from({ length: count }, (_, index) => [
      freeTcpPort(first + index),
      freeUdpPort(first + index),
    ]).flat();
    const free = await Promise.allSettled(others);
    if (free.every(({ status }) => status === "fulfilled")) return first;
  }
}

function freeUdpPort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4").once("error", reject);
    socket.bind(wanted, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
