// Starts and stops the real binary.

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";

const BINARY = process.env.PLENUM_BIN ?? new URL("../../../target/debug/plenum", import.meta.url).pathname;
const READY_MS = 20_000;
const STOP_MS = 10_000;

// One node with one worker, on ports that were free a moment ago.
export class Hall {
  readonly port: number;
  readonly #rtcPort: number;
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(port: number, rtcPort: number) {
    this.port = port;
    this.#rtcPort = rtcPort;
  }

  static async open(): Promise<Hall> {
    const hall = new Hall(await freeTcpPort(), await freeUdpPort());
    await hall.start();
    return hall;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
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
    };
    const sets = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const args = ["serve", "--port", String(this.port), "--workers", "1", ...sets];
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

function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4").once("error", reject);
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
