// How loud everybody is, as the server tells. Which of them speak, and how high their bars are, follows from that.

// Average level in dBov from which a sound counts as speech. A quiet room is around -75, a laptop's fan around -60.
const SPEECH_DBOV = -50;

// The bars cover what speech covers.
const QUIET_DBOV = -60;
const LOUD_DBOV = -15;

// The server tells every 400 ms while anybody can be heard; in large rooms less often, and with silence at its end.
const HOLD_MS = 900;

export interface Heard {
  speaking: ReadonlySet<string>;
  // From 0 to 1.
  volumes: ReadonlyMap<string, number>;
}

export class Voices {
  #volumes = new Map<string, number>();
  readonly #spoke = new Map<string, number>();

  // Everybody who can be heard, in dBov.
  tell(volumes: ReadonlyMap<string, number>): void {
    this.#volumes = new Map(volumes);
  }

  // What was told before counts no more.
  silence(): void {
    this.#volumes.clear();
    this.#spoke.clear();
  }

  // Pauses between words do not end speaking.
  at(nowMs: number, muted: (peer: string) => boolean): Heard {
    const volumes = new Map<string, number>();
    for (const [peer, volume] of this.#volumes) {
      if (muted(peer)) continue;
      volumes.set(peer, bar(volume));
      if (volume >= SPEECH_DBOV) this.#spoke.set(peer, nowMs);
    }
    for (const [peer, at] of this.#spoke) if (nowMs - at > HOLD_MS || muted(peer)) this.#spoke.delete(peer);
    return { speaking: new Set(this.#spoke.keys()), volumes };
  }
}

export function bar(dbov: number): number {
  return Math.min(1, Math.max(0, (dbov - QUIET_DBOV) / (LOUD_DBOV - QUIET_DBOV)));
}
