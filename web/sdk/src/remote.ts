// What is received of somebody: one track, and what is known of it.

import type { Attachments, AttachOptions } from "./attach.js";
import type { Layers } from "./media/layers.js";
import { type Source, sourceOf } from "./media/source.js";
import type { Json } from "./wire/frames.js";

export interface RemoteInit {
  id: string;
  peerId: string;
  producerId: string;
  kind: "audio" | "video";
  appData: Json;
  track: MediaStreamTrack;
  paused: boolean;
  count: Layers;
  score: number | undefined;
  receiver: RTCRtpReceiver | undefined;
}

// What changes while it is received.
export type RemoteState = Pick<RemoteTrack, "paused" | "layers" | "preferred" | "suspended" | "score">;

export class RemoteTrack {
  readonly id: string;
  readonly peerId: string;
  readonly producerId: string;
  readonly kind: "audio" | "video";
  readonly source: Source;
  readonly appData: Json;
  readonly track: MediaStreamTrack;
  // How many layers it comes in.
  readonly count: Layers;
  readonly receiver: RTCRtpReceiver | undefined;
  // The sender paused it.
  paused: boolean;
  // Layers that arrive, where there are several.
  layers: Layers | undefined;
  // Layers that were asked for; all there is if undefined.
  preferred: Layers | undefined;
  // It is not sent here, because nobody looks at it.
  suspended = false;
  // How well it arrives, 0 to 10.
  score: number | undefined;
  readonly #attachments: Attachments;

  constructor(init: RemoteInit, attachments: Attachments) {
    this.id = init.id;
    this.peerId = init.peerId;
    this.producerId = init.producerId;
    this.kind = init.kind;
    this.source = sourceOf(init.kind, init.appData);
    this.appData = init.appData;
    this.track = init.track;
    this.count = init.count;
    this.receiver = init.receiver;
    this.paused = init.paused;
    this.score = init.score;
    this.#attachments = attachments;
  }

  // The same for every track that follows this one: after a move, or when the sender stops and starts again.
  get key(): string {
    return `${this.peerId}/${this.source}`;
  }

  // Plays it in this element until the returned function is called. From then on a picture is received only as large as
  // its elements are, and not at all while none of them can be seen. What follows it plays there, too.
  attach(element: HTMLMediaElement, options: AttachOptions = {}): () => void {
    return this.#attachments.attach(this, element, options);
  }
}
