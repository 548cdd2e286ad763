// One direction of a narrow link, without sockets and without a clock: what goes in comes out later, or never.

export interface Shape {
  // Bits per second; undefined: as fast as it comes.
  rate: number | undefined;
  // How long a full queue takes to leave at that rate. What does not fit is dropped at its end, as routers do.
  queueMs: number;
  // Way behind the queue.
  delayMs: number;
  // Share of the packets that get lost before the queue, 0 to 1.
  loss: number;
}

export const OPEN: Shape = { rate: undefined, queueMs: 250, delayMs: 0, loss: 0 };

export interface Counts {
  in: number;
  out: number;
  lost: number;
  // Did not fit into the queue.
  dropped: number;
}

// What an idle link may carry at once: a little, as schedulers of real ones do; at least one full packet.
const BUCKET_MS = 10;
const BUCKET_MIN_BITS = 1500 * 8;

// What a datagram takes on the wire besides its content: IPv4 and UDP headers.
const HEADERS = 28;

interface Queued<T> {
  item: T;
  bits: number;
}

interface Travelling<T> {
  item: T;
  atMs: number;
}

export class Shaper<T> {
  readonly counts: Counts = { in: 0, out: 0, lost: 0, dropped: 0 };
  readonly #random: () => number;
  #shape: Shape;
  #queue: Queued<T>[] = [];
  #queuedBits = 0;
  #way: Travelling<T>[] = [];
  #tokens = 0;
  #atMs = 0;

  constructor(shape: Shape, seed = 1) {
    this.#shape = shape;
    this.#random = seeded(seed);
  }

  get shape(): Shape {
    return this.#shape;
  }

  // What is in the queue already stays and leaves at the new rate.
  set(nowMs: number, shape: Partial<Shape>): void {
    this.#drain(nowMs);
    this.#shape = { ...this.#shape, ...shape };
    this.#tokens = Math.min(this.#tokens, this.#bucket());
  }

  push(nowMs: number, item: T, size: number): void {
    this.#drain(nowMs);
    this.counts.in += 1;
    const { rate, queueMs, loss } = this.#shape;
    // Asked for every packet: a change of the loss does not move the random numbers of those that follow.
    if (this.#random() < loss) {
      this.counts.lost += 1;
      return;
    }
    const bits = (size + HEADERS) * 8;
    if (rate !== undefined && this.#queuedBits + bits > (rate * queueMs) / 1000 && this.#queue.length > 0) {
      this.counts.dropped += 1;
      return;
    }
    this.#queue.push({ item, bits });
    this.#queuedBits += bits;
    this.#drain(nowMs);
  }

  // What has arrived by now.
  pop(nowMs: number): T[] {
    this.#drain(nowMs);
    const arrived: T[] = [];
    while (this.#way[0] && this.#way[0].atMs <= nowMs)
      arrived.push((this.#way.shift() as Travelling<T>).item);
    this.counts.out += arrived.length;
    return arrived;
  }

  // When to look again; undefined: nothing is under way.
  next(): number | undefined {
    const arrival = this.#way[0]?.atMs;
    const { rate } = this.#shape;
    const head = this.#queue[0];
    if (!head || rate === undefined) return arrival;
    const leaves =
      this.#atMs + Math.max(0, (Math.min(head.bits, this.#bucket()) - this.#tokens) / rate) * 1000;
    return Math.min(arrival ?? Number.POSITIVE_INFINITY, leaves);
  }

  #bucket(): number {
    return Math.max(BUCKET_MIN_BITS, ((this.#shape.rate ?? 0) * BUCKET_MS) / 1000);
  }

  // Packet by packet at the moments when they left: timers that are late do not make the link slower than it is.
  #drain(nowMs: number): void {
    const { rate, delayMs } = this.#shape;
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      const leaves = this.#leaves(head);
      if (leaves > nowMs) break;
      this.#advance(leaves);
      // A packet larger than the bucket leaves when the bucket is full, and owes the rest.
      if (rate !== undefined) this.#tokens -= head.bits;
      this.#queue.shift();
      this.#queuedBits -= head.bits;
      // Never before what left earlier: a delay that shrinks does not turn packets around.
      const earliest = this.#way.at(-1)?.atMs ?? 0;
      this.#way.push({ item: head.item, atMs: Math.max(earliest, leaves + delayMs) });
    }
    this.#advance(nowMs);
  }

  #leaves({ bits }: Queued<T>): number {
    const { rate } = this.#shape;
    if (rate === undefined) return this.#atMs;
    const missing = Math.min(bits, this.#bucket()) - this.#tokens;
    return this.#atMs + (Math.max(0, missing) / rate) * 1000;
  }

  #advance(toMs: number): void {
    const passed = Math.max(0, toMs - this.#atMs);
    const filled = this.#tokens + ((this.#shape.rate ?? 0) * passed) / 1000;
    this.#tokens = Math.min(this.#bucket(), filled);
    this.#atMs += passed;
  }
}

// Numbers in [0, 1) that are the same for the same seed (mulberry32).
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
