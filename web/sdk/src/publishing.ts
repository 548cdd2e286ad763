// What is sent, by source: through reconnections and moves of the room.

import { RequestError } from "./errors.js";
import { type LocalOptions, LocalTrack, type Wanted } from "./local.js";
import { type CameraOptions, type MicOptions, openCamera, openMic, openScreen } from "./media/devices.js";
import type { Source } from "./media/source.js";
import type { Session } from "./session.js";
import type { Right } from "./wire/messages.js";

export interface PublishOptions extends LocalOptions {
  // What it is, if a track is given; by its kind a microphone or a camera.
  source?: Source;
}

export interface PublishingHost {
  // The one that takes what is sent; undefined between two of them.
  session(): Session | undefined;
  may(right: Right): boolean;
  revoked(local: LocalTrack): void;
}

export class Publishing {
  readonly locals = new Map<Source, LocalTrack>();
  readonly #host: PublishingHost;
  // Opened here, and so stopped here.
  readonly #own = new WeakSet<MediaStreamTrack>();
  // What is heard of a screen that was opened here; without the screen it is not sent either.
  readonly #sounds = new WeakMap<MediaStreamTrack, MediaStreamTrack>();
  #closed = false;

  constructor(host: PublishingHost) {
    this.#host = host;
  }

  // A device, or a track of the application's.
  async publish(
    what: "microphone" | "camera" | "screen" | MediaStreamTrack,
    options: PublishOptions & MicOptions & CameraOptions,
  ): Promise<LocalTrack> {
    if (typeof what !== "string") {
      const source = options.source ?? (what.kind === "audio" ? "microphone" : "camera");
      return this.#publish(source, what, options);
    }
    if (what === "screen") {
      const { video, audio } = await openScreen();
      if (audio) {
        this.#sounds.set(video, audio);
        this.#publishOwn("screen-audio", audio, options);
      }
      return this.#publishOwn("screen", video, options);
    }
    const track = await (what === "microphone" ? openMic(options) : openCamera(options));
    return this.#publishOwn(what, track, options);
  }

  allowed(local: LocalTrack): boolean {
    return this.#host.may(rightFor(local));
  }

  // Whoever may not send something any more does not begin again by itself when it may.
  revoke(): void {
    for (const local of [...this.locals.values()]) if (!this.allowed(local)) this.takeAway(local);
  }

  takeAway(local: LocalTrack): void {
    if (this.locals.get(local.source) !== local) return;
    this.#unpublish(local);
    this.#host.revoked(local);
  }

  close(): void {
    this.#closed = true;
    for (const { track } of this.locals.values()) this.#stop(track);
    this.locals.clear();
  }

  #publish(source: Source, track: MediaStreamTrack, options: LocalOptions): LocalTrack {
    if (this.#closed) {
      this.#stop(track);
      throw new RequestError(0, "the room is left");
    }
    const known = this.locals.get(source);
    if (known) {
      const before = known.track;
      known.again(track, options);
      if (before !== track) this.#stop(before);
      return known;
    }
    const local = new LocalTrack(
      {
        sync: (one) => this.#host.session()?.sync(one),
        producerId: (one) => this.#host.session()?.producerId(one),
        unpublish: (one) => this.#unpublish(one),
      },
      source,
      track,
      options,
    );
    this.locals.set(source, local);
    this.#host.session()?.sync(local);
    return local;
  }

  #publishOwn(source: Source, track: MediaStreamTrack, options: LocalOptions): LocalTrack {
    this.#own.add(track);
    // Unplugged, permission withdrawn, or "stop sharing" pressed in the browser's own bar.
    track.addEventListener("ended", () => {
      const local = this.locals.get(source);
      if (local?.track === track) this.#unpublish(local);
    });
    return this.#publish(source, track, options);
  }

  #unpublish(local: LocalTrack): void {
    if (this.locals.get(local.source) !== local) return;
    this.locals.delete(local.source);
    this.#stop(local.track);
    const nothing: Wanted = { track: undefined, paused: false };
    local.set(nothing);
  }

  #stop(track: MediaStreamTrack | undefined): void {
    if (!track || !this.#own.has(track)) return;
    track.stop();
    const sound = this.locals.get("screen-audio");
    if (sound?.track && sound.track === this.#sounds.get(track)) this.#unpublish(sound);
  }
}

function rightFor({ source, kind }: LocalTrack): Right {
  return source === "screen" || source === "screen-audio" ? "screen" : kind;
}
