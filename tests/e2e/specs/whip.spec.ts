// WHIP and WHEP by pages that know nothing else of this server, beside people in a meeting.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { PATIENCE, Visitor } from "../support/visitor";
import { HttpPeer } from "../support/whip";

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

test("what is published by WHIP is seen in the meeting and by WHEP", async ({ browser }) => {
  const room = "whip";
  const one = await Visitor.arrive(browser, hall, { room, peer: "peer1" });
  const encoder = await HttpPeer.publishes(browser, hall, room, "peer2");
  expect(encoder.made.status).toBe(201);
  await encoder.connects();
  await one.sees("peer2");
  await one.hears("peer2");
  const player = await HttpPeer.plays(browser, hall, `/whep/${room}/peer2`);
  expect(player.made.status).toBe(201);
  await player.sees("peer2");
  await player.hears("peer2");

  expect(await encoder.restartsIce()).toEqual([200, '"2"']);
  expect(await player.restartsIce()).toEqual([200, '"2"']);
  const frames = await player.framesDecoded();
  await expect.poll(() => player.framesDecoded(), PATIENCE).toBeGreaterThan(frames + 30);
  await player.sees("peer2");

  expect(await encoder.ends()).toBe(200);
  await expect(one.tile("peer2")).toHaveCount(0, PATIENCE);
  expect(await player.ends()).toBe(200);
  for (const peer of [encoder, player]) await peer.close();
  await one.close();
});

test("simulcast by WHIP has all its layers", async ({ browser }) => {
  const room = "whip-simulcast";
  const one = await Visitor.arrive(browser, hall, { room, peer: "peer1" });
  const encoder = await HttpPeer.publishes(browser, hall, room, "peer2", ["h", "l"]);
  expect(encoder.made.status).toBe(201);
  expect(encoder.made.answer).toContain("a=simulcast:recv l;h");
  await one.sees("peer2");
  await expect.poll(async () => (await encoder.rids()).sort(), PATIENCE).toEqual(["h", "l"]);
  const player = await HttpPeer.plays(browser, hall, `/whep/${room}`);
  await player.sees("peer2");
  for (const peer of [encoder, player]) await peer.close();
  await one.close();
});

test("who plays nobody in particular goes on with whoever is left", async ({ browser }) => {
  const room = "whep";
  const one = await HttpPeer.publishes(browser, hall, room, "peer1");
  await one.connects();
  const player = await HttpPeer.plays(browser, hall, `/whep/${room}`);
  expect(player.made.status).toBe(201);
  await player.sees("peer1");
  await player.hears("peer1");
  const two = await HttpPeer.publishes(browser, hall, room, "peer2");
  await two.connects();
  await player.sees("peer1");
  expect(await one.ends()).toBe(200);
  await player.sees("peer2");
  await player.hears("peer2");
  for (const peer of [one, two, player]) await peer.close();
});

test("so does who plays people of a meeting", async ({ browser }) => {
  const room = "whep-meeting";
  const one = await Visitor.arrive(browser, hall, { room, peer: "peer1" });
  let player = await HttpPeer.plays(browser, hall, `/whep/${room}`);
  // Who has just come sends nothing yet: players are told to ask again.
  while (player.made.status === 409) {
    await player.close();
    player = await HttpPeer.plays(browser, hall, `/whep/${room}`);
  }
  expect(player.made.status).toBe(201);
  await player.sees("peer1");
  await player.hears("peer1");
  const two = await Visitor.arrive(browser, hall, { room, peer: "peer2" });
  await two.sees("peer1");
  await player.sees("peer1");
  await one.close();
  await player.sees("peer2");
  await player.hears("peer2");
  await player.close();
  await two.close();
});

test("there is nothing to play before somebody publishes", async ({ browser }) => {
  const nowhere = await HttpPeer.plays(browser, hall, "/whep/nowhere");
  expect(nowhere.made.status).toBe(404);
  await nowhere.close();
});
