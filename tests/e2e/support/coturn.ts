// A TURN server: coturn, as `make setup` installs it, on ports that were free a moment ago.

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";

const READY_MS = 30_000;

// A binding request (RFC 8489 §6.3.1) is sent again after so long without an answer.
const ASK_EVERY_MS = 50;

// As many relays as a few pages take: each of their two transports has one for every way to the server.
const RELAYS = 100;
const LAST_PORT = 65_535;

export class Coturn {
  readonly port: number;
  readonly #child: ChildProcess;
  #failure: Error | undefined;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
    child.once("error", (error) => {
      this.#failure = error;
    });
    child.once("exit", (code) => {
      this.#failure ??= new Error(`turnserver ended with ${code}`);
    });
  }

  static async start(secret: string): Promise<Coturn> {
    const port = await freePort();
    const relay = Math.min(await freePort(), LAST_PORT - RELAYS);
    const args = [
      ...["-n", "--no-cli", "--no-tls", "--no-dtls", "--realm=plenum", "--pidfile=", "--log-file=stdout"],
      ...["--use-auth-secret", `--static-auth-secret=${secret}`],
      ...["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"],
      ...[`--listening-port=${port}`, `--min-port=${relay}`, `--max-port=${relay + RELAYS}`],
    ];
    const coturn = new Coturn(port, spawn("turnserver", args, { stdio: "ignore" }));
    await coturn.#ready();
    return coturn;
  }

  async stop(): Promise<void> {
    if (this.#failure) return;
    const gone = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.kill("SIGKILL");
    await gone;
  }

  // It listens to packets later than it does over TCP.
  async #ready(): Promise<void> {
    const socket = createSocket("udp4");
    let answered = false;
    socket.once("message", () => {
      answered = true;
    });
    const request = Buffer.from("\x00\x01\x00\x00\x21\x12\xa4\x42any twelve b", "latin1");
    const until = Date.now() + READY_MS;
    while (!answered && !this.#failure && Date.now() < until) {
      socket.send(request, this.port, "127.0.0.1");
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
    socket.close();
    if (answered) return;
    const failure = this.#failure ?? new Error("coturn does not answer");
    await this.stop();
    throw failure;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4").once("error", reject);
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address() as AddressInfo;
      socket.close(() => resolve(port));
    });
  });
}
