// What goes wrong between this client and the server.

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

export function refusal(error: unknown): End {
  const reason = error instanceof Error ? error.message : String(error);
  return { kind: endKind(0, reason), reason };
}

// The server's codes say whether to come back, and its words why not.
const REASONS: readonly [RegExp, EndKind][] = [
  [/locked/i, "locked"],
  [/lobby|refused/i, "refused"],
  [/replaced/i, "replaced"],
  [/full/i, "full"],
  [/closed/i, "closed"],
  [/sent away|kicked/i, "kicked"],
];

export function endKind(code: number, reason: string): EndKind {
  if (code === 4401) return "token";
  return REASONS.find(([words]) => words.test(reason))?.[1] ?? "denied";
}
