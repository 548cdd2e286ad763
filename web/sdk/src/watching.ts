// Tells the server what of the received pictures is worth sending: layers by the size of their tiles, nothing for those
// that nobody sees, and more for the one that is looked at.

import {
  type LayerCount,
  type Layers,
  type Place,
  PRIORITY,
  TopHeight,
  type Wish,
  wish,
} from "./media/layers.js";
import type { Json } from "./wire/frames.js";

// The places of pictures by `RemoteTrack.key`.
export type View = ReadonlyMap<string, Place>;

// A window that is dragged larger changes all tiles with every drawn frame: the last size counts, once the dragging
// pauses, and now and then while it goes on.
const SETTLE_MS = 200;
const SETTLE_AT_MOST_MS = 1_000;

// A glance at another tab is not worth a key frame on coming back.
const HIDDEN_MS = 1_500;

// Of whom nobody says where it is shown, all is received.
const WHOLE: Place = { width: Number.MAX_SAFE_INTEGER, height: Number.MAX_SAFE_INTEGER, staged: false };

export interface Asked {
  // What was asked for; undefined: all there is.
  preferred: Layers | undefined;
  paused: boolean;
}

// What it asks for.
type Method = "pauseConsumers" | "resumeConsumers" | "setConsumerLayers" | "setConsumerPriority";

export interface WatchingOptions {
  request(method: Method, data: Json): Promise<unknown>;
  // The server has agreed to this.
  asked(consumer: string, asked: Asked): void;
  pixelRatio(): number;
}

interface Watched {
  tile: string;
  count: LayerCount;
  top: TopHeight;
  // Spatial layer that arrives, as the server says.
  current: number | undefined;
  wanted: Wish;
  // What the server was told last.
  told: Wish;
  working: boolean;
  // What the server would not do, by method. It is not asked for that again before something else is wanted.
  refused: Map<string, string>;
}

export class Watching {
  readonly #options: WatchingOptions;
  readonly #consumers = new Map<string, Watched>();
  #view: View = new Map();
  #others: "all" | "nothing" = "all";
  #seen = true;
  #settle: ReturnType<typeof setTimeout> | undefined;
  #deadline = 0;
  #hide: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WatchingOptions) {
    this.#options = options;
  }

  // A new picture: by itself the server sends all of it.
  add(consumer: string, tile: string, count: LayerCount): void {
    const all: Wish = { paused: false, layers: undefined, priority: PRIORITY };
    const top = new TopHeight();
    this.#consumers.set(consumer, {
      tile,
      count,
      top,
      current: undefined,
      wanted: all,
      told: all,
      working: false,
      refused: new Map(),
    });
    this.#changed();
  }

  remove(consumer: string): void {
    this.#consumers.delete(consumer);
  }

  // Pictures that are not mentioned come as they are ("all"), or not at all.
  view(view: View, others: "all" | "nothing"): void {
    this.#view = view;
    this.#others = others;
    this.#changed();
  }

  // Whether the page is on a screen at all.
  seen(seen: boolean): void {
    clearTimeout(this.#hide);
    this.#hide = undefined;
    if (seen === this.#seen) return;
    const apply = (): void => {
      this.#seen = seen;
      this.#apply();
    };
    if (seen) apply();
    else this.#hide = setTimeout(apply, HIDDEN_MS);
  }

  // The layer that arrives from now on.
  layer(consumer: string, spatial: number | undefined): void {
    const watched = this.#consumers.get(consumer);
    if (watched) watched.current = spatial;
  }

  // The height of the picture that was decoded last.
  picture(consumer: string, height: number): void {
    const watched = this.#consumers.get(consumer);
    if (watched?.current === undefined) return;
    if (watched.top.look(watched.current, watched.count, height)) this.#changed();
  }

  close(): void {
    clearTimeout(this.#settle);
    clearTimeout(this.#hide);
    this.#consumers.clear();
  }

  #changed(): void {
    const now = Date.now();
    if (this.#settle === undefined) this.#deadline = now + SETTLE_AT_MOST_MS;
    clearTimeout(this.#settle);
    const wait = Math.max(0, Math.min(SETTLE_MS, this.#deadline - now));
    this.#settle = setTimeout(() => this.#apply(), wait);
  }

  #apply(): void {
    clearTimeout(this.#settle);
    this.#settle = undefined;
    const ratio = this.#options.pixelRatio();
    for (const [consumer, watched] of this.#consumers) {
      const place = this.#place(watched.tile);
      const wished = watched.wanted.layers?.spatial;
      const before = JSON.stringify(watched.wanted);
      watched.wanted = wish(place, ratio, { count: watched.count, top: watched.top.value, wished });
      if (JSON.stringify(watched.wanted) !== before) watched.refused.clear();
      if (!watched.working) void this.#work(consumer, watched);
    }
  }

  #place(tile: string): Place | undefined {
    const place = this.#view.get(tile);
    if (!place && this.#others === "all") return WHOLE;
    return this.#seen ? place : undefined;
  }

  // One request at a time and consumer, until the server knows what is wanted by then.
  async #work(consumer: string, watched: Watched): Promise<void> {
    watched.working = true;
    for (let step = next(watched); step; step = next(watched)) {
      const { method, data } = step;
      try {
        const whom = method.endsWith("Consumers") ? { consumerIds: [consumer] } : { consumerId: consumer };
        await this.#options.request(method, { ...whom, ...data });
      } catch {
        // The picture stays as it is, which is no worse than before.
        watched.refused.set(method, JSON.stringify(data));
        continue;
      }
      if (this.#consumers.get(consumer) !== watched) return;
      watched.told = { ...watched.told, ...step.told };
      const { layers, paused } = watched.told;
      this.#options.asked(consumer, { preferred: layers, paused });
    }
    watched.working = false;
  }
}

interface Step {
  method: Method;
  data: Json;
  told: Partial<Wish>;
}

// What the server has still to be told. Who comes back is told what of it first, so that it starts right.
function steps({ wanted, told, count }: Watched): Step[] {
  const { paused, layers, priority } = wanted;
  if (paused) return told.paused ? [] : [{ method: "pauseConsumers", data: {}, told: { paused } }];
  const all: Step[] = [];
  if (priority !== told.priority)
    all.push({ method: "setConsumerPriority", data: { priority }, told: { priority } });
  const have = told.layers ?? { spatial: count.spatial - 1, temporal: count.temporal - 1 };
  if (layers && (layers.spatial !== have.spatial || layers.temporal !== have.temporal)) {
    const data = { spatialLayer: layers.spatial, temporalLayer: layers.temporal };
    all.push({ method: "setConsumerLayers", data, told: { layers } });
  }
  if (told.paused) all.push({ method: "resumeConsumers", data: {}, told: { paused } });
  return all;
}

// The first of them that was not refused already.
function next(watched: Watched): Step | undefined {
  return steps(watched).find(({ method, data }) => watched.refused.get(method) !== JSON.stringify(data));
}
