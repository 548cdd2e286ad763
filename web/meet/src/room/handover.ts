// After the room has moved, what is on the page comes from the session before: each picture and sound stays until the
// same one has begun to arrive anew.

import { mediaReplaced, type RemoteMedia } from "../store/state";
import type { Store } from "../store/store";

// How often is looked whether something has begun to arrive. A picture changes every 33 ms or so.
const LOOK_MS = 40;

// What has not come again by then is gone. The server waits a little longer before it ends what was before.
const PATIENCE_MS = 8_000;

export interface HandoverOptions {
  store: Store;
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
  readonly #waiting = new Map<string, RemoteMedia>();
  // What was shown when the move began and has not come again.
  #earlier = new Set<string>();
  #deadline = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #looking = false;
  #over = false;

  constructor(options: HandoverOptions) {
    this.#options = options;
    this.#earlier = new Set(Object.keys(options.store.getState().media));
  }

  // To be called once the room has been joined again.
  begin(): void {
    if (this.#over) return;
    this.#deadline = Date.now() + PATIENCE_MS;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  // New media; false if it takes no other's place and can be shown at once.
  take(one: RemoteMedia): boolean {
    if (this.#over || !this.#before(one)) return false;
    this.#waiting.set(one.id, one);
    this.#showIfQuiet(one);
    return true;
  }

  // Something became known of a consumer; false if it is shown already, or unknown.
  change(id: string, change: Partial<Omit<RemoteMedia, "id">>): boolean {
    const one = this.#waiting.get(id);
    if (!one) return false;
    const changed = { ...one, ...change };
    this.#waiting.set(id, changed);
    this.#showIfQuiet(changed);
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

  #before({ peerId, source }: RemoteMedia): RemoteMedia | undefined {
    const shown = Object.values(this.#options.store.getState().media);
    return shown.find((one) => this.#earlier.has(one.id) && one.peerId === peerId && one.source === source);
  }

  // What does not arrive by intent is not waited for.
  #showIfQuiet(one: RemoteMedia): void {
    if (one.paused || one.unwatched) this.#show(one);
  }

  #show(one: RemoteMedia): void {
    this.#waiting.delete(one.id);
    this.#options.store.setState(mediaReplaced(one));
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
    const { media } = this.#options.store.getState();
    const left = Object.keys(media).some((id) => this.#earlier.has(id));
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
