// A receiver whose link becomes narrow gets a smaller picture, and the large one again when the link is wide.

import { expect, test } from "@playwright/test";
import { note, SLACK_MS, within } from "../support/bounded";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import type { Picture } from "../support/signals";
import { Link } from "../support/throttle";
import { PATIENCE, Visitor } from "../support/visitor";

// What the server promises.
const DOWN_MS = 3_000;
const UP_MS = 10_000;

const NARROW = 200_000;

// Nobody calls it a freeze if the picture changes its size within a moment; while packets of the old size still fill
// the queue there are some.
const FREEZES = 15;

interface Case {
  name: string;
  layers: number;
  params: Record<string, string>;
  picture: Picture;
}

// Sizes at which Chromium's encoders really make that many layers: it leaves out those under 240 × 135 in VP9, a little
// more in AV1.
const CASES: Case[] = [
  {
    name: "VP8 simulcast",
    layers: 3,
    params: { codec: "vp8" },
    picture: { width: 960, height: 540, fps: 15, detail: 250 },
  },
  {
    name: "VP9 L3T3_KEY",
    layers: 3,
    params: { codec: "vp9" },
    picture: { width: 960, height: 540, fps: 15, detail: 250 },
  },
  {
    name: "AV1 L2T2_KEY",
    layers: 2,
    params: { codec: "av1", svc: "L2T2_KEY" },
    picture: { width: 640, height: 360, fps: 15, detail: 250 },
  },
];

// Three long waits and a ramp at the beginning, each with a bound of its own.
test.setTimeout(240_000);

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

// The beginning, in which senders try out what they can send, is over: it is so, and stays so for a while.
async function settles(isSo: () => Promise<boolean>): Promise<void> {
  let inARow = 0;
  const count = async (): Promise<number> => {
    inARow = (await isSo()) ? inARow + 1 : 0;
    return inARow;
  };
  await expect.poll(count, { timeout: 60_000, intervals: [250] }).toBeGreaterThan(12);
}

// A sender without processor to spare believes in a narrow path, and makes two layers of three for minutes. Then it is about
// those two.
async function settlesWithTwoLayers(
  isSo: (made: number) => Promise<boolean>,
  all: number,
  sent: () => Promise<number>,
): Promise<number> {
  try {
    await settles(() => isSo(all));
    return all;
  } catch (error) {
    const made = await sent();
    if (made >= all || made * 2 < all) throw error;
    await settles(() => isSo(made));
    return made;
  }
}

for (const { name, layers, params, picture } of CASES) {
  test(`${name}: less on a narrow link, all on a wide one`, async ({ browser }, info) => {
    const link = new Link();
    const room = `layers-${params.codec}`;
    const sender = await Visitor.arrive(browser, hall, { room, peer: "peer1", params, picture });
    const off = { ...params, camera: "0", mic: "0" };
    const viewer = await Visitor.arrive(browser, hall, { room, peer: "peer2", params: off, link });
    const width = () => viewer.width("peer1");
    await viewer.sees("peer1");
    const layer = async () => (await viewer.received("peer1"))?.layers?.spatial ?? -1;
    const topOf = (made: number) => layers - 1 - Math.log2(picture.width / made);
    const isWhole = async (made: number) => (await width()) === made && (await layer()) === topOf(made);
    const sent = () => sender.sentWidth();
    const whole =
      layers > 2
        ? await settlesWithTwoLayers(isWhole, picture.width, sent)
        : await settles(() => isWhole(picture.width)).then(() => picture.width);
    note(info, `${name}: picture on the wide link`, `${whole} wide`);
    await viewer.watchStills("peer1");
    const before = await viewer.inboundVideo("peer1");

    link.set("down", { rate: NARROW, queueMs: 250 });
    await within(info, `${name}: smaller picture after`, DOWN_MS, width, (now) => now > 0 && now < whole);
    await expect.poll(layer, PATIENCE).toBeLessThan(topOf(whole));
    note(info, `${name}: longest still on the way down`, `${await viewer.longestStill("peer1")} ms`);
    // It goes on, and is the right picture. A still that began on the way down counts with all its length.
    const frames = await viewer.framesDecoded("peer1");
    await expect.poll(() => viewer.framesDecoded("peer1"), PATIENCE).toBeGreaterThan(frames + 45);
    await viewer.sees("peer1");
    const still = await viewer.longestStill("peer1");
    note(info, `${name}: longest still on the narrow link`, `${still} ms`);
    expect(still).toBeLessThan(DOWN_MS + SLACK_MS);

    link.set("down", { rate: undefined });
    // A busy sender makes its picture smaller, whatever the server could forward.
    const missing = async () => (await width()) - (await sent());
    await within(info, `${name}: large picture again after`, UP_MS, missing, (less) => less >= 0);
    await viewer.sees("peer1");
    note(info, `${name}: longest still on the way up`, `${await viewer.longestStill("peer1")} ms`);
    const after = await viewer.inboundVideo("peer1");
    const freezes = Number(after?.freezeCount ?? 0) - Number(before?.freezeCount ?? 0);
    note(info, `${name}: freezes`, String(freezes));
    expect(freezes).toBeLessThanOrEqual(FREEZES);
    for (const visitor of [sender, viewer]) {
      expect(visitor.errors).toEqual([]);
      await visitor.close();
    }
    link.close();
  });
}
