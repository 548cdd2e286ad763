// Who speaks, decided from loudness.

// Mean loudness from which sound counts as speech: about -38 dBFS, above the noise floor of a laptop microphone.
export const SPEECH = 0.0125;

// Pauses between words do not end speaking.
const HOLD_MS = 900;

export class SpeakingDetector {
  readonly #heard = new Map<string, number>();

  // Loudness by peer in, speaking peers out.
  update(levels: Map<string, number>, nowMs: number): Set<string> {
    for (const [peer, level] of levels) if (level >= SPEECH) this.#heard.set(peer, nowMs);
    for (const [peer, at] of this.#heard) {
      if (nowMs - at > HOLD_MS || !levels.has(peer)) this.#heard.delete(peer);
    }
    return new Set(this.#heard.keys());
  }
}
