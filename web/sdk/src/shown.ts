// What is received now, of whatever session.

import type { Attachments } from "./attach.js";
import type { RemoteTrack } from "./remote.js";

export interface ShownHost {
  readonly attachments: Pick<Attachments, "follow" | "gone">;
  added(track: RemoteTrack): void;
  replaced(track: RemoteTrack, before: RemoteTrack): void;
  removed(track: RemoteTrack): void;
}

export class Shown {
  // By consumer.
  readonly tracks = new Map<string, RemoteTrack>();
  readonly #host: ShownHost;

  constructor(host: ShownHost) {
    this.#host = host;
  }

  has(track: RemoteTrack): boolean {
    return this.tracks.get(track.id) === track;
  }

  add(track: RemoteTrack): void {
    this.tracks.set(track.id, track);
    this.#host.attachments.follow(track);
    this.#host.added(track);
  }

  // In the place of what was shown of the same source.
  replace(track: RemoteTrack): void {
    const before = [...this.tracks.values()].find(({ key }) => key === track.key);
    if (!before) {
      this.add(track);
      return;
    }
    this.tracks.delete(before.id);
    this.tracks.set(track.id, track);
    this.#host.attachments.follow(track);
    this.#host.replaced(track, before);
  }

  remove(track: RemoteTrack): void {
    if (!this.has(track)) return;
    this.tracks.delete(track.id);
    this.#host.attachments.gone(track);
    this.#host.removed(track);
  }

  // All but those of which this is true.
  clear(keep: (track: RemoteTrack) => boolean = () => false): void {
    for (const track of [...this.tracks.values()]) if (!keep(track)) this.remove(track);
  }
}
