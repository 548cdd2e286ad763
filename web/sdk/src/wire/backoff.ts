// Waiting times between attempts to connect.

const FIRST_MS = 500;
const LONGEST_MS = 8_000;

// Doubles from half a second to eight. A fifth is left to chance, so that the pages of a node that restarts do not
// all come back in the same instant. `random` is in 0..1.
export function backoff(attempt: number, random: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(full * (0.8 + 0.2 * random));
}
