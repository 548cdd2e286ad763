// Several nodes that are one cluster, and the Redis that they share.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freeTcpPort, Hall, type Settings } from "./hall";

const READY_MS = 20_000;

export class Cluster {
  readonly nodes: Hall[] = [];
  readonly #redis: ChildProcess;
  readonly #directory: string;

  private constructor(redis: ChildProcess, directory: string) {
    this.#redis = redis;
    this.#directory = directory;
  }

  // So many nodes, that all see each other.
  static async open(count: number, settings: Settings = {}): Promise<Cluster> {
    const directory = await mkdtemp(join(tmpdir(), "plenum-cluster-"));
    const port = await freeTcpPort();
    const nothingKept = ["--save", "", "--appendonly", "no", "--dir", directory];
    const redis = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", ...nothingKept], {
      stdio: "ignore",
    });
    const cluster = new Cluster(redis, directory);
    await until("Redis", () => listens(port));
    const secret = join(directory, "secret");
    const places = join(directory, "places");
    const lines = Array.from(
      { length: count },
      (_, index) => `${addressIn(index + 1)} region-${index + 1}\n`,
    );
    await writeFile(places, lines.join(""));
    await writeFile(secret, randomBytes(32).toString("hex"), { mode: 0o600 });
    for (let number = 1; number <= count; number += 1) {
      const link = await freeTcpPort();
      const data = join(directory, `node-${number}`);
      await mkdir(data);
      const node = await Hall.open(1, (own) => ({
        "node.id": `node-${number}`,
        "node.data_dir": data,
        "node.region": `region-${number}`,
        "node.public_url": `http://127.0.0.1:${own}`,
        "cluster.geo_table": places,
        "cluster.redis": `redis://127.0.0.1:${port}`,
        "cluster.secret_file": secret,
        "cluster.listen": `127.0.0.1:${link}`,
        ...settings,
      }));
      cluster.nodes.push(node);
    }
    for (const node of cluster.nodes)
      await until("all nodes", async () => (await living(node)).length === count);
    return cluster;
  }

  node(number: number): Hall {
    const node = this.nodes[number - 1];
    if (!node) throw new Error(`there is no node ${number}`);
    return node;
  }

  // The numbers of the nodes that have people of a room.
  async carrying(room: string): Promise<number[]> {
    const found: number[] = [];
    for (const [index, node] of this.nodes.entries()) {
      const answer = await fetch(`${node.url}/stats`).catch(() => undefined);
      const { placements } = (await answer?.json()) ?? { placements: {} };
      if (placements[room]) found.push(index + 1);
    }
    return found;
  }

  // Everybody is to be led away from a node within this time.
  async drain(number: number, withinMs: number): Promise<void> {
    const answer = await fetch(this.#drainUrl(number), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ withinMs }),
    });
    if (!answer.ok) throw new Error(`drain: ${answer.status} ${await answer.text()}`);
  }

  // How far that is.
  async drainOf(number: number): Promise<string | undefined> {
    const answer = await fetch(this.#drainUrl(number));
    const { state } = (await answer.json()) as { state?: string };
    return state;
  }

  #drainUrl(number: number): string {
    return `${this.node(1).url}/api/v1/nodes/node-${number}/drain`;
  }

  // What all of them have written.
  get log(): string {
    return this.nodes.map((node, index) => `==== node ${index + 1}\n${node.log}`).join("\n");
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    const gone = new Promise((resolve) => this.#redis.once("exit", resolve));
    this.#redis.kill("SIGKILL");
    await gone;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

// Where people of a region seem to be: that of the node with this number.
export function addressIn(number: number): string {
  return `127.0.0.${10 + number}`;
}

// The nodes that one takes for alive.
export async function living(node: Hall): Promise<string[]> {
  const answer = await fetch(`${node.url}/api/v1/nodes`).catch(() => undefined);
  if (!answer?.ok) return [];
  const { nodes } = (await answer.json()) as { nodes: { id: string; alive: boolean }[] };
  return nodes.filter(({ alive }) => alive).map(({ id }) => id);
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + READY_MS;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what}: not in ${READY_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
    socket.once("connect", () => socket.destroy());
  });
}
