// What is sent: one track of a source, through all sessions of a room.

import type { Source } from "./media/source.js";

export interface Wanted {
  track: MediaStreamTrack | undefined;
  paused: boolean;
}

export interface LocalOptions {
  // Sizes of the picture to send: several where the codec can, or only one.
  layers?: "many" | "one";
  // The scalability mode of codecs with layers inside one stream, such as "L2T2_KEY".
  svc?: string;
  // Bit/s of the largest size.
  maxBitrate?: number;
  // Begins muted: nothing is sent until it is unmuted.
  muted?: boolean;
  // Told to everybody beside the source.
  appData?: Record<string, unknown>;
}

// Whether both make the same of a track: the rest can be changed while it is sent.
export function sentAlike(one: LocalOptions, other: LocalOptions): boolean {
  const [a, b] = [one, other].map(({ layers = "many", svc, maxBitrate, appData = {} }) =>
    JSON.stringify([layers, svc, maxBitrate, appData]),
  );
  return a === b;
}

export interface LocalHost {
  // Brings what is sent in line with what is wanted.
  sync(local: LocalTrack): void;
  producerId(local: LocalTrack): string | undefined;
  // The track is this client's own: stopped when it is not needed.
  unpublish(local: LocalTrack): void;
}

export class LocalTrack {
  readonly source: Source;
  readonly kind: "audio" | "video";
  readonly #host: LocalHost;
  #options: LocalOptions;
  #wanted: Wanted;

  constructor(host: LocalHost, source: Source, track: MediaStreamTrack, options: LocalOptions) {
    this.#host = host;
    this.source = source;
    this.kind = track.kind === "audio" ? "audio" : "video";
    this.#options = options;
    this.#wanted = { track, paused: options.muted === true };
  }

  get options(): LocalOptions {
    return this.#options;
  }

  get wanted(): Wanted {
    return this.#wanted;
  }

  // Undefined once it is not published any more.
  get track(): MediaStreamTrack | undefined {
    return this.#wanted.track;
  }

  get muted(): boolean {
    return this.#wanted.paused;
  }

  // What the server calls it, while it is sent.
  get producerId(): string | undefined {
    return this.#host.producerId(this);
  }

  mute(): void {
    this.set({ ...this.#wanted, paused: true });
  }

  unmute(): void {
    this.set({ ...this.#wanted, paused: false });
  }

  // Another device in the place of this one; receivers notice nothing but another picture.
  replace(track: MediaStreamTrack): void {
    this.set({ ...this.#wanted, track });
  }

  unpublish(): void {
    this.#host.unpublish(this);
  }

  // Published once more, maybe to be sent otherwise.
  again(track: MediaStreamTrack, options: LocalOptions): void {
    const before = this.#options;
    const wanted = { track, paused: options.muted === true };
    this.#options = options;
    if (wanted.track !== this.#wanted.track || wanted.paused !== this.#wanted.paused) this.set(wanted);
    else if (!sentAlike(before, options)) this.#host.sync(this);
  }

  set(wanted: Wanted): void {
    if (wanted.track === this.#wanted.track && wanted.paused === this.#wanted.paused) return;
    this.#wanted = wanted;
    this.#host.sync(this);
  }
}
