// Tokens as an application makes them (RFC 7519, HS256), and the node that takes them.

import { createHmac, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Claims {
  room: string;
  peer?: string;
  name?: string;
  role?: "host" | "speaker" | "listener";
  // Seconds from now.
  exp?: number;
}

export class Issuer {
  readonly #folder: string;
  readonly #secret: string;

  private constructor(folder: string, secret: string) {
    this.#folder = folder;
    this.#secret = secret;
  }

  static async open(): Promise<Issuer> {
    const folder = await mkdtemp(join(tmpdir(), "plenum-keys-"));
    const secret = randomBytes(32).toString("hex");
    await writeFile(join(folder, "secret"), secret, { mode: 0o600 });
    return new Issuer(folder, secret);
  }

  // Settings of a node that takes these tokens and no others.
  get settings(): Record<string, string> {
    return { "auth.mode": "token", "auth.keys": join(this.#folder, "secret") };
  }

  token({ exp = 3600, ...claims }: Claims): string {
    const body = { ...claims, exp: Math.floor(Date.now() / 1000) + exp };
    const signed = [{ alg: "HS256", typ: "JWT" }, body]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    return `${signed}.${createHmac("sha256", this.#secret).update(signed).digest("base64url")}`;
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
