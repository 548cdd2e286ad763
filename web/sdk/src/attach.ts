// Elements of the page that show what is received, and how much of them can be seen.

import type { Place } from "./media/layers.js";
import type { RemoteTrack } from "./remote.js";
import type { View } from "./watching.js";

export interface AttachOptions {
  // The one that is looked at: its picture goes first when bandwidth is short, and is never enlarged.
  staged?: boolean;
}

interface Attached {
  key: string;
  element: HTMLMediaElement;
  kind: "audio" | "video";
  staged: boolean;
  visible: boolean;
}

const NOWHERE: Place = { width: 0, height: 0, staged: false };

export class Attachments {
  readonly #changed: () => void;
  readonly #attached = new Set<Attached>();
  // Pictures that were shown once are not received when they are shown no more: whose they are, by their keys.
  readonly #known = new Map<string, string>();
  #intersections: IntersectionObserver | undefined;
  #sizes: ResizeObserver | undefined;

  // `changed` is told when the places are other ones.
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  attach(
    { key, peerId, kind, track }: RemoteTrack,
    element: HTMLMediaElement,
    options: AttachOptions,
  ): () => void {
    // Until the observer has looked, it counts as seen: most are, and those that are start at once.
    const attached = { key, element, kind, staged: options.staged === true, visible: true };
    this.#attached.add(attached);
    play(element, track);
    if (kind === "video") {
      this.#known.set(key, peerId);
      this.#observe(element);
      this.#changed();
    }
    return () => this.#detach(attached);
  }

  // What follows a track plays where that one did.
  follow({ key, peerId, kind, track }: RemoteTrack): void {
    const places = this.#of(key);
    for (const { element } of places) play(element, track);
    // Somebody has come back to where nobody had cleared the place.
    if (kind === "video" && places.length > 0) this.#known.set(key, peerId);
  }

  // Who has left: nothing is received of them that would have to be refused.
  forget(peer: string): void {
    for (const [key, peerId] of this.#known) if (peerId === peer) this.#known.delete(key);
  }

  // Nothing of this is received any more: the last picture is not to stay.
  gone({ key, track }: RemoteTrack): void {
    for (const { element } of this.#of(key)) {
      if (element.srcObject instanceof MediaStream) element.srcObject.removeTrack(track);
    }
  }

  // The place of each picture of those who are there that was ever attached: the largest of its elements that can be
  // seen.
  view(): View {
    const places = new Map<string, Place>();
    for (const key of this.#known.keys()) places.set(key, NOWHERE);
    for (const { key, element, kind, staged, visible } of this.#attached) {
      if (kind !== "video" || !visible) continue;
      const { clientWidth: width, clientHeight: height } = element;
      const other = places.get(key) ?? NOWHERE;
      if (width * height >= other.width * other.height)
        places.set(key, { width, height, staged: staged || other.staged });
    }
    return places;
  }

  // After somebody has touched the page.
  async play(): Promise<void> {
    await Promise.all([...this.#attached].map(({ element }) => element.play()));
  }

  close(): void {
    this.#intersections?.disconnect();
    this.#sizes?.disconnect();
    for (const { element } of this.#attached) element.srcObject = null;
    this.#attached.clear();
  }

  #of(key: string): Attached[] {
    return [...this.#attached].filter((one) => one.key === key);
  }

  #detach(attached: Attached): void {
    if (!this.#attached.delete(attached)) return;
    const { element } = attached;
    this.#intersections?.unobserve(element);
    this.#sizes?.unobserve(element);
    element.srcObject = null;
    this.#changed();
  }

  #observe(element: HTMLMediaElement): void {
    this.#intersections ??= new IntersectionObserver((entries) => this.#seen(entries));
    this.#sizes ??= new ResizeObserver(() => this.#changed());
    this.#intersections.observe(element);
    this.#sizes.observe(element);
  }

  #seen(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries)
      for (const attached of this.#attached)
        if (attached.element === target) attached.visible = isIntersecting;
    this.#changed();
  }
}

// A track that takes another's place does so in the same stream: the element shows the last picture until the next one.
function play(element: HTMLMediaElement, track: MediaStreamTrack): void {
  if (element.srcObject instanceof MediaStream) {
    const stream = element.srcObject;
    stream.addTrack(track);
    for (const other of stream.getTracks()) if (other !== track) stream.removeTrack(other);
  } else {
    element.srcObject = new MediaStream([track]);
  }
  // Browsers refuse sound before anybody has touched the page; `Room.startPlayback` tries again.
  element.play().catch(() => undefined);
}
