// A receiver whose link becomes narrow gets a smaller picture, and the large one again when the link is wide.

import { expect, test } from "@playwright/test";
import { note, SLACK_MS, within } from "../support/bounded";
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
  params: Record<string, string>;
  picture: Picture;
}

// Sizes at which Chromium's encoders really make that many layers: it leaves out those under 240 × 135 in VP9, a little
// more in AV1.
const CASES: Case[] = [
  {
    name: "VP8 simulcast",
    params: { codec: "vp8" },
    picture: { width: 960, height: 540, fps: 15, detail: 250 },
  },
  {
    name: "VP9 L3T3_KEY",
    params: { codec: "vp9" },
    picture: { width: 960, height: 540, fps: 15, detail: 250 },
  },
  {
    name: "AV1 L2T2_KEY",
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

test.afterEach(async ({ browserName: _ }, info) => {
  if (info.status !== info.expectedStatus)
    await info.attach("node.log", { body: hall.log, contentType: "text/plain" });
});

for (const { name, params, picture } of CASES) {
  test(`${name}: less on a narrow link, all on a wide one`, async ({ browser }, info) => {
    const link = new Link();
    const room = `layers-${params.codec}`;
    const sender = await Visitor.arrive(browser, hall, { room, peer: "peer1", params, picture });
    const off = { ...params, camera: "0", mic: "0" };
    const viewer = await Visitor.arrive(browser, hall, { room, peer: "peer2", params: off, link });
    const width = () => viewer.width("peer1");
    await viewer.sees("peer1");
    await expect.poll(width, { ...PATIENCE, timeout: 45_000 }).toBe(picture.width);
    const top = (await viewer.received("peer1"))?.layers?.spatial ?? 0;
    expect(top, "layers that can be left out").toBeGreaterThan(0);
    await viewer.watchStills("peer1");
    const before = await viewer.inboundVideo("peer1");

    link.set("down", { rate: NARROW, queueMs: 250 });
    await within(
      info,
      `${name}: smaller picture after`,
      DOWN_MS,
      width,
      (now) => now > 0 && now < picture.width,
    );
    const layer = async () => (await viewer.received("peer1"))?.layers?.spatial;
    await expect.poll(layer, PATIENCE).toBeLessThan(top);
    note(info, `${name}: longest still on the way down`, `${await viewer.longestStill("peer1")} ms`);
    // It goes on, and is the right picture. A still that began on the way down counts with all its length.
    const frames = await viewer.framesDecoded("peer1");
    await expect.poll(() => viewer.framesDecoded("peer1"), PATIENCE).toBeGreaterThan(frames + 45);
    await viewer.sees("peer1");
    const still = await viewer.longestStill("peer1");
    note(info, `${name}: longest still on the narrow link`, `${still} ms`);
    expect(still).toBeLessThan(DOWN_MS + SLACK_MS);

    link.set("down", { rate: undefined });
    await within(info, `${name}: large picture again after`, UP_MS, width, (now) => now === picture.width);
    await expect.poll(layer, PATIENCE).toBe(top);
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
