// WHIP and WHEP with a foreign stack, on its own and beside Chromium.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { PATIENCE } from "../support/visitor";
import { Werift } from "../support/werift";
import { HttpPeer } from "../support/whip";

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

test("what werift publishes is played by Chromium and by werift", async ({ browser }) => {
  const publisher = await Werift.publishes(hall, "there", "werift");
  await expect.poll(() => publisher.state, PATIENCE).toBe("connected");
  const player = await Werift.plays(hall, "/whep/there/werift");
  await expect.poll(() => player.received.video, PATIENCE).toBeGreaterThan(50);
  await expect.poll(() => player.received.audio, PATIENCE).toBeGreaterThan(50);
  const page = await HttpPeer.plays(browser, hall, "/whep/there");
  await expect.poll(() => page.framesDecoded(), PATIENCE).toBeGreaterThan(30);
  await page.close();
  expect(await player.ends()).toBe(200);
  expect(await publisher.ends()).toBe(200);
});

test("what Chromium publishes is played by werift", async ({ browser }) => {
  const publisher = await HttpPeer.publishes(browser, hall, "here", "peer1");
  await publisher.connects();
  const player = await Werift.plays(hall, "/whep/here");
  await expect.poll(() => player.received.video, PATIENCE).toBeGreaterThan(50);
  await expect.poll(() => player.received.audio, PATIENCE).toBeGreaterThan(50);
  expect(await player.ends()).toBe(200);
  await publisher.close();
});
