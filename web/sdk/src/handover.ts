// After the room has moved, what is on the page comes from the session before: each picture and sound stays until the
// same one has begun to arrive anew.

import type { RemoteTrack } from "./remote.js";

// How often is looked whether something has begun to arrive. A picture changes every 33 ms or so.
const LOOK_MS = 40;

// What has not come again by then is gone. The server waits a little longer before it ends what was before.
const PATIENCE_MS = 8_000;

export interface HandoverOptions {
  // What is shown now.
  shown(): Iterable<RemoteTrack>;
  // Shows it, in the place of what is shown of the same source.
  show(track: RemoteTrack): void;
  // The statistics of the receiving connection.
  report(): Promise<Iterable<unknown>>;
  // Nothing of before is shown any more, or it is too late for it.
  complete(): void;
}

interface Entry {
  type: string;
  trackIdentifier?: string;
  framesDecoded?: number;
  packetsReceived?: number;
}

export class Handover {
  readonly #options: HandoverOptions;
  // What shall be shown, by the identifiers of consumers.
  readonly #waiting = new Map<string, RemoteTrack>();
  // What was shown when the move began and has not come again.
  readonly #earlier: ReadonlySet<string>;
  #deadline = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #looking = false;
  #over = false;

  constructor(options: HandoverOptions) {
    this.#options = options;
    this.#earlier = new Set([...options.shown()].map(({ id }) => id));
  }

  // To be called once the room has been joined again.
  begin(): void {
    if (this.#over) return;
    this.#deadline = Date.now() + PATIENCE_MS;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  // New media; false if it takes no other's place and can be shown at once.
  take(track: RemoteTrack): boolean {
    if (this.#over || !this.#before(track)) return false;
    this.#waiting.set(track.id, track);
    this.#showIfQuiet(track);
    return true;
  }

  // Something became known of a track; false if it is shown already, or unknown.
  changed(track: RemoteTrack): boolean {
    if (!this.#waiting.has(track.id)) return false;
    this.#showIfQuiet(track);
    return true;
  }

  remove(id: string): void {
    this.#waiting.delete(id);
  }

  close(): void {
    this.#over = true;
    clearInterval(this.#timer);
    this.#waiting.clear();
  }

  #before({ key }: RemoteTrack): boolean {
    return [...this.#options.shown()].some((one) => this.#earlier.has(one.id) && one.key === key);
  }

  // What does not arrive by intent is not waited for.
  #showIfQuiet(track: RemoteTrack): void {
    if (track.paused || track.suspended) this.#show(track);
  }

  #show(track: RemoteTrack): void {
    this.#waiting.delete(track.id);
    this.#options.show(track);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      if (this.#waiting.size > 0) this.#read(await this.#options.report());
    } catch {
      // The connection is closed: whoever did that has closed this, too, or the deadline will.
    } finally {
      this.#looking = false;
    }
    if (this.#over) return;
    const left = [...this.#options.shown()].some(({ id }) => this.#earlier.has(id));
    if ((left || this.#waiting.size > 0) && Date.now() < this.#deadline) return;
    for (const one of [...this.#waiting.values()]) this.#show(one);
    this.close();
    this.#options.complete();
  }

  #read(report: Iterable<unknown>): void {
    const arriving = new Set<string>();
    for (const [, entry] of report as Iterable<[string, Entry]>) {
      if (entry.type !== "inbound-rtp" || !entry.trackIdentifier) continue;
      // Sound has no first frame to wait for.
      if ((entry.framesDecoded ?? entry.packetsReceived ?? 0) > 0) arriving.add(entry.trackIdentifier);
    }
    for (const one of [...this.#waiting.values()]) if (arriving.has(one.track.id)) this.#show(one);
  }
}
