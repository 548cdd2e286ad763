// Who has the floor. Many may make a sound at once; one of them is shown large.

import { SPEECH } from "./speaking";

// Of two who speak, the other one has to be louder by this factor (6 dB): nobody takes the floor by a cough's breadth.
const LOUDER = 2;

// And for so long. Short enough for a conversation, longer than "mhm".
const CLAIM_MS = 1_000;

interface Claim {
  peer: string;
  sinceMs: number;
}

export class DominantSpeaker {
  #dominant: string | undefined;
  #claim: Claim | undefined;

  // Loudness of the others in; who is to be shown large out. Silence changes nothing.
  update(levels: Map<string, number>, nowMs: number): string | undefined {
    if (this.#dominant !== undefined && !levels.has(this.#dominant)) this.#dominant = undefined;
    const [loudest, level] = [...levels].reduce<[string | undefined, number]>(
      (best, [peer, loud]) => (loud > best[1] ? [peer, loud] : best),
      [undefined, 0],
    );
    if (loudest === undefined || level < SPEECH) return this.#dominant;
    if (this.#dominant === undefined) this.#take(loudest);
    else if (loudest === this.#dominant || !this.#ahead(level, levels)) this.#claim = undefined;
    else if (this.#claim?.peer !== loudest) this.#claim = { peer: loudest, sinceMs: nowMs };
    else if (nowMs - this.#claim.sinceMs >= CLAIM_MS) this.#take(loudest);
    return this.#dominant;
  }

  #ahead(level: number, levels: Map<string, number>): boolean {
    const floor = levels.get(this.#dominant ?? "") ?? 0;
    return floor < SPEECH || level >= floor * LOUDER;
  }

  #take(peer: string): void {
    this.#dominant = peer;
    this.#claim = undefined;
  }
}
