// Where a room is found.

import type { Resumption } from "./wire/socket.js";

// Asked for again with each new session: tokens run out.
export type Token = string | (() => string | Promise<string>);

export interface Address {
  // The node, as `https://host`, `wss://host`, or relative to the page.
  url: string | URL;
  room: string;
  peer: string;
  token: Token | undefined;
  namespace: string | undefined;
}

export function signallingUrl(address: Address, resume?: Resumption): string | Promise<string> {
  if (resume) return build(address, { resume: resume.token, seq: String(resume.seq) });
  const { room, peer, namespace, token } = address;
  const query = { room, peer, ...(namespace === undefined ? {} : { namespace }) };
  if (token === undefined) return build(address, query);
  if (typeof token === "string") return build(address, { ...query, token });
  // An address that is none is told at once, as it is without a token that has to be waited for.
  build(address, query);
  return Promise.resolve(token()).then((given) => build(address, { ...query, token: given }));
}

function build({ url }: Address, query: Record<string, string>): string {
  const target = new URL(url, globalThis.location?.href);
  target.protocol = target.protocol.replace(/^http/, "ws");
  if (target.pathname === "/") target.pathname = "/plenum";
  for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
  target.hash = "";
  return target.toString();
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

export function randomPeer(length = 10): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}
