// The narrow link that other tests rely on, by itself: no browser, no sockets, no clock.

import { expect, test } from "@playwright/test";
import { OPEN, type Shape, Shaper } from "../support/shaper";

// Content that makes 1000 bytes with its headers.
const SIZE = 972;
const BITS = 8_000;

interface Arrival {
  item: number;
  atMs: number;
}

// Sends one packet every `everyMs` and looks whenever the link says that something is due.
function send(shape: Partial<Shape>, count: number, everyMs: number, seed = 1): Arrival[] {
  const shaper = new Shaper<number>({ ...OPEN, ...shape }, seed);
  const arrivals: Arrival[] = [];
  const look = (atMs: number): void => {
    for (const item of shaper.pop(atMs)) arrivals.push({ item, atMs });
  };
  const until = (atMs: number): void => {
    for (let next = shaper.next(); next !== undefined && next <= atMs; next = shaper.next()) look(next);
  };
  for (let item = 0; item < count; item += 1) {
    until(item * everyMs);
    shaper.push(item * everyMs, item, SIZE);
    look(item * everyMs);
  }
  until(Number.MAX_SAFE_INTEGER);
  return arrivals;
}

function ordered(arrivals: Arrival[]): boolean {
  return arrivals.every(({ item }, index) => index === 0 || item > (arrivals[index - 1]?.item ?? 0));
}

test("an open link changes nothing", () => {
  expect(send({}, 100, 1)).toEqual(Array.from({ length: 100 }, (_, item) => ({ item, atMs: item })));
});

test("a narrow link carries its rate, in order", () => {
  // 200 packets of 8 kbit, offered at 800 kb/s, through 200 kb/s: a quarter arrives, and what was in the queue.
  const arrivals = send({ rate: 200_000, queueMs: 250 }, 200, 10);
  const last = arrivals.at(-1)?.atMs ?? 0;
  const rate = (arrivals.length * BITS) / (last / 1000);
  expect(rate).toBeGreaterThan(190_000);
  expect(rate).toBeLessThan(215_000);
  expect(ordered(arrivals)).toBe(true);
});

test("nothing waits longer than the queue is", () => {
  const waits = send({ rate: 200_000, queueMs: 250 }, 400, 5).map(({ item, atMs }) => atMs - item * 5);
  expect(Math.max(...waits)).toBeGreaterThan(200);
  expect(Math.max(...waits)).toBeLessThanOrEqual(251);
});

test("a rate that is not used up delays nothing", () => {
  const arrivals = send({ rate: 1_000_000 }, 100, 10);
  expect(arrivals).toHaveLength(100);
  for (const { item, atMs } of arrivals) expect(atMs - item * 10).toBeLessThanOrEqual(12);
});

test("a change of the rate holds from then on, also for what waits", () => {
  // Ten packets a second, then a thousand.
  const shaper = new Shaper<number>({ ...OPEN, rate: 80_000, queueMs: 2000 });
  for (let item = 0; item < 10; item += 1) shaper.push(0, item, SIZE);
  expect(shaper.pop(450)).toHaveLength(4);
  shaper.set(450, { rate: 8_000_000 });
  expect(shaper.pop(460)).toHaveLength(6);
  shaper.set(460, { rate: undefined });
  shaper.push(460, 11, SIZE);
  expect(shaper.pop(460)).toEqual([11]);
  expect(shaper.next()).toBeUndefined();
});

test("a packet that is larger than the bucket passes, at the rate of the link", () => {
  const arrivals = send({ rate: 8_000, queueMs: 60_000 }, 5, 0);
  expect(arrivals).toHaveLength(5);
  expect(arrivals.at(-1)?.atMs).toBeGreaterThan(3_000);
});

test("delay comes on top, and keeps the order when it shrinks", () => {
  expect(send({ delayMs: 50 }, 3, 10)).toEqual([
    { item: 0, atMs: 50 },
    { item: 1, atMs: 60 },
    { item: 2, atMs: 70 },
  ]);
  const shaper = new Shaper<string>({ ...OPEN, delayMs: 100 });
  shaper.push(0, "slow", SIZE);
  shaper.set(1, { delayMs: 0 });
  shaper.push(1, "fast", SIZE);
  expect(shaper.pop(50)).toEqual([]);
  expect(shaper.pop(100)).toEqual(["slow", "fast"]);
});

test("loss is random and the same every time", () => {
  const lossy = send({ loss: 0.2 }, 2000, 1, 7);
  expect(lossy.length).toBeGreaterThan(1500);
  expect(lossy.length).toBeLessThan(1700);
  expect(send({ loss: 0.2 }, 2000, 1, 7)).toEqual(lossy);
  expect(send({ loss: 0.2 }, 2000, 1, 8)).not.toEqual(lossy);
});

test("what goes in is what comes out, is lost, or is dropped", () => {
  const shaper = new Shaper<number>({ ...OPEN, rate: 100_000, loss: 0.1 });
  let out = 0;
  for (let item = 0; item < 500; item += 1) {
    shaper.push(item, item, SIZE);
    out += shaper.pop(item).length;
  }
  out += shaper.pop(1_000_000).length;
  const { counts } = shaper;
  expect(counts.out).toBe(out);
  expect(counts.in).toBe(500);
  expect(counts.out + counts.lost + counts.dropped).toBe(500);
  expect(counts.dropped).toBeGreaterThan(0);
});
