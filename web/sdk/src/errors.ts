// What goes wrong between this client and the server.

import type { CloseWord } from "./generated/plenum.js";

// A request that was refused, or was never answered.
export class RequestError extends Error {
  // As the server says it, after HTTP's: 403 forbidden, 404 not found, 409 a conflict … 0: there was no answer.
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.name = "RequestError";
    this.code = code;
  }
}

export type EndKind =
  // By `leave()`.
  | "left"
  // A host removed this peer.
  | "kicked"
  // A host did not let it in.
  | "refused"
  // The room takes nobody.
  | "locked"
  // As many are there as may be.
  | "full"
  // The room was closed.
  | "closed"
  // The same peer came by another connection.
  | "replaced"
  // The token is not taken, or not any more.
  | "token"
  // Anything else that no further attempt would change.
  | "denied";

export interface End {
  kind: EndKind;
  // The server's words.
  reason: string;
}

// A room that could not be joined.
export class EndedError extends Error {
  readonly end: End;

  constructor(end: End) {
    super(end.reason || end.kind);
    this.name = "EndedError";
    this.end = end;
  }
}

// What programs understand of a reason stands before this, and what people read behind it.
const AFTER_WORD = ": ";

// Words that are not there yet mean no more than the code that they come with.
const KINDS: Record<CloseWord, EndKind> = {
  kicked: "kicked",
  locked: "locked",
  refused: "refused",
  replaced: "replaced",
  roomClosed: "closed",
  roomFull: "full",
  unauthorized: "token",
  badRequest: "denied",
  badTransport: "denied",
  conflict: "denied",
  forbidden: "denied",
  internal: "denied",
  joinTimeout: "denied",
  left: "denied",
  moved: "denied",
  noSession: "denied",
  notFound: "denied",
  notImplemented: "denied",
  restart: "denied",
  resumed: "denied",
  tooLarge: "denied",
  tooMany: "denied",
  tooSlow: "denied",
  transportLost: "denied",
  unavailable: "denied",
  workerLost: "denied",
};

// The token is not taken.
const UNAUTHORIZED = 4401;

// Why the server has closed a connection for good.
export function ending(code: number, reason: string): End {
  const [word, ...words] = reason.split(AFTER_WORD);
  const known = Object.entries(KINDS).find(([name]) => name === word);
  if (!known) return { kind: code === UNAUTHORIZED ? "token" : "denied", reason };
  return { kind: known[1], reason: words.join(AFTER_WORD) };
}

// Why the server has not let this client join.
export function refusal(error: unknown): End {
  return ending(0, error instanceof Error ? error.message : String(error));
}
