// Tells the server what of the received pictures is worth sending: layers by the size of their tiles, nothing for those
// that nobody sees, and more for the one that is looked at.

import { RequestError } from "./errors.js";
import {
  type LayerCount,
  type Layers,
  type Place,
  PRIORITY,
  TopHeight,
  type Wish,
  wish,
} from "./media/layers.js";
import { backoff } from "./wire/backoff.js";
import type { Json } from "./wire/frames.js";

// The places of pictures by `RemoteTrack.key`.
export type View = ReadonlyMap<string, Place>;

// A window that is dragged larger changes all tiles with every drawn frame: the last size counts, once the dragging
// pauses, and now and then while it goes on.
const SETTLE_MS = 200;
const SETTLE_AT_MOST_MS = 1_000;

// A glance at another tab is not worth a key frame on coming back.
const HIDDEN_MS = 1_500;

// The server refuses a client more than 128 requests at a time, which are not all of this kind, and takes a list apart
// into as many.
const SINGLE_AT_ONCE = 32;
const LIST_AT_MOST = 64;

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
  told: Told;
  working: boolean;
  // What the server would not do, by method. It is not asked for that again before something else is wanted, or some
  // time has passed.
  refused: Map<Method, string>;
  // In a row.
  failures: number;
}

// After a request of which nobody knows whether it was carried out.
const UNKNOWN = "unknown";

type Told = { [K in keyof Wish]: Wish[K] | typeof UNKNOWN };

export class Watching {
  readonly #options: WatchingOptions;
  readonly #consumers = new Map<string, Watched>();
  #view: View = new Map();
  #others: "all" | "nothing" = "all";
  #seen = true;
  #settle: ReturnType<typeof setTimeout> | undefined;
  #deadline = 0;
  #hide: ReturnType<typeof setTimeout> | undefined;
  readonly #retries = new Set<ReturnType<typeof setTimeout>>();
  // Lists that are asked for.
  readonly #lists = new Set<Method>();
  // Requests about one consumer that are asked for.
  #single = 0;
  #closed = false;

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
      failures: 0,
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
    for (const retry of this.#retries) clearTimeout(retry);
    this.#closed = true;
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
    for (const watched of this.#consumers.values()) {
      const place = this.#place(watched.tile);
      const wished = watched.wanted.layers?.spatial;
      const before = JSON.stringify(watched.wanted);
      watched.wanted = wish(place, ratio, { count: watched.count, top: watched.top.value, wished });
      if (JSON.stringify(watched.wanted) !== before) watched.refused.clear();
    }
    this.#work();
  }

  #place(tile: string): Place | undefined {
    const place = this.#view.get(tile);
    if (!place && this.#others === "all") return WHOLE;
    return this.#seen ? place : undefined;
  }

  // One request at a time and consumer, until the server knows what is wanted by then; and one for all that stop, or go
  // on, at the same time.
  #work(): void {
    const lists = new Map<Method, Asking>();
    for (const [consumer, watched] of this.#consumers) {
      const step = watched.working ? undefined : next(watched);
      if (!step) continue;
      if (!isList(step.method)) {
        if (this.#single < SINGLE_AT_ONCE) void this.#ask({ step, whom: new Map([[consumer, watched]]) });
        continue;
      }
      if (this.#lists.has(step.method)) continue;
      const asking = lists.get(step.method) ?? { step, whom: new Map() };
      if (asking.whom.size < LIST_AT_MOST) asking.whom.set(consumer, watched);
      lists.set(step.method, asking);
    }
    for (const asking of lists.values()) void this.#ask(asking);
  }

  async #ask(asking: Asking): Promise<void> {
    const { method, data } = asking.step;
    const [first] = asking.whom.keys();
    const list = isList(method);
    const whom = list ? { consumerIds: [...asking.whom.keys()] } : { consumerId: first };
    if (list) this.#lists.add(method);
    else this.#single += 1;
    for (const watched of asking.whom.values()) watched.working = true;
    try {
      await this.#options.request(method, { ...whom, ...data });
      this.#agreed(asking);
    } catch (error) {
      this.#failed(asking, error);
    }
    for (const watched of asking.whom.values()) watched.working = false;
    if (list) this.#lists.delete(method);
    else this.#single -= 1;
    this.#work();
  }

  #agreed({ step, whom }: Asking): void {
    for (const [consumer, watched] of whom) {
      if (this.#consumers.get(consumer) !== watched) continue;
      watched.failures = 0;
      watched.told = { ...watched.told, ...step.told };
      const { layers, paused } = watched.told;
      const preferred = layers === UNKNOWN ? undefined : layers;
      this.#options.asked(consumer, { preferred, paused: paused === true });
    }
  }

  // The picture stays as it is, or is not even known to: what was not answered may have been done all the same, and a
  // list by halves.
  #failed({ step, whom }: Asking, error: unknown): void {
    const list = isList(step.method);
    const code = error instanceof RequestError ? error.code : undefined;
    const passes = code === 0 || code === 429 || (code !== undefined && code >= 500);
    for (const watched of whom.values()) {
      watched.refused.set(step.method, JSON.stringify(step.data));
      if (list || passes) watched.told = { ...watched.told, ...step.unknown };
      watched.failures += 1;
    }
    // Layers that the server will not choose it will not choose later either. Whoever is to be seen is, at last.
    if (list || passes) this.#again(step.method, whom);
  }

  #again(method: Method, whom: ReadonlyMap<string, Watched>): void {
    if (this.#closed) return;
    const failures = Math.max(...[...whom.values()].map((watched) => watched.failures));
    const retry = setTimeout(
      () => {
        this.#retries.delete(retry);
        for (const watched of whom.values()) watched.refused.delete(method);
        this.#work();
      },
      backoff(failures, Math.random()),
    );
    this.#retries.add(retry);
  }
}

interface Step {
  method: Method;
  data: Json;
  told: Partial<Wish>;
  // What nobody knows if this fails.
  unknown: Partial<Told>;
}

// One request.
interface Asking {
  step: Step;
  whom: Map<string, Watched>;
}

function isList(method: Method): boolean {
  return method === "pauseConsumers" || method === "resumeConsumers";
}

// What the server has still to be told. Who comes back is told what of it first, so that it starts right.
function steps({ wanted, told, count }: Watched): Step[] {
  const { paused, layers, priority } = wanted;
  const whether = { data: {}, told: { paused }, unknown: { paused: UNKNOWN } } as const;
  if (paused) return told.paused === true ? [] : [{ method: "pauseConsumers", ...whether }];
  const all: Step[] = [];
  if (priority !== told.priority) {
    const unknown = { priority: UNKNOWN } as const;
    all.push({ method: "setConsumerPriority", data: { priority }, told: { priority }, unknown });
  }
  if (layers && !same(layers, told.layers ?? { spatial: count.spatial - 1, temporal: count.temporal - 1 })) {
    const data = { spatialLayer: layers.spatial, temporalLayer: layers.temporal };
    all.push({ method: "setConsumerLayers", data, told: { layers }, unknown: { layers: UNKNOWN } });
  }
  if (told.paused !== false) all.push({ method: "resumeConsumers", ...whether });
  return all;
}

function same(one: Layers, other: Layers | typeof UNKNOWN): boolean {
  return other !== UNKNOWN && one.spatial === other.spatial && one.temporal === other.temporal;
}

// The first of them that was not refused already.
function next(watched: Watched): Step | undefined {
  return steps(watched).find(({ method, data }) => watched.refused.get(method) !== JSON.stringify(data));
}
