// Where a room is found.

import type { Target } from "./route.js";
import type { Resumption } from "./wire/socket.js";

// Asked for again with each new session: tokens run out.
export type Token = string | (() => string | Promise<string>);

export interface Address {
  room: string;
  peer: string;
  token: Token | undefined;
  namespace: string | undefined;
}

export function signallingUrl(
  { url, redirects }: Target,
  address: Address,
  resume?: Resumption,
): string | Promise<string> {
  if (resume) return build(url, { resume: resume.token, seq: String(resume.seq) });
  const { room, peer, namespace, token } = address;
  const query = {
    room,
    peer,
    redirects: String(redirects),
    ...(namespace === undefined ? {} : { namespace }),
  };
  if (token === undefined) return build(url, query);
  if (typeof token === "string") return build(url, { ...query, token });
  // An address that is none is told at once, as it is without a token that has to be waited for.
  build(url, query);
  return Promise.resolve(token()).then((given) => build(url, { ...query, token: given }));
}

function build(url: string, query: Record<string, string>): string {
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
