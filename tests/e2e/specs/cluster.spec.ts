// Three nodes, a browser at each: one room. One of the nodes dies, or is drained.

import { expect, test } from "@playwright/test";
import { addressIn, Cluster } from "../support/cluster";
import { type Continuity, readContinuity, watchContinuity } from "../support/continuity";
import { keepEvidence } from "../support/evidence";
import { Relay } from "../support/relay";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

let cluster: Cluster | undefined;
let relays: Relay[] = [];
let visitors: Visitor[] = [];

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, cluster);
  for (const visitor of visitors) await visitor.close();
  for (const relay of relays) relay.close();
  visitors = [];
  relays = [];
  await cluster?.stop();
  cluster = undefined;
});

// `user`: everybody at the node of the own region, and media between nodes. `room`: all are sent to the node of the first one.
for (const policy of ["user", "room"]) {
  test(`three nodes are one room, and who was at one that dies is back by itself: policy ${policy}`, async ({
    browser,
  }, info) => {
    cluster = await Cluster.open(3, { "cluster.policy": policy });
    for (const number of [1, 2, 3]) {
      const relay = await Relay.before(cluster.node(number), addressIn(number));
      relays.push(relay);
      visitors.push(await Visitor.arrive(browser, relay, { room: "world", peer: `peer${number}` }));
    }
    await expectFullMeeting(visitors);
    const carrying = await cluster.carrying("world");
    expect(carrying).toHaveLength(policy === "user" ? 3 : 1);
    const [one, , three] = visitors as [Visitor, Visitor, Visitor];
    await one.page.screenshot({ path: info.outputPath("three-nodes.png") });
    const victim = carrying.at(-1) ?? 3;
    const before = three.sockets;
    const killed = Date.now();
    await cluster.node(victim).kill();
    await expect.poll(() => three.sockets, PATIENCE).toBeGreaterThan(before);
    // Who has lost his node notices some moments later, and looks well until then: all of it has to be true at once.
    await expect(async () => {
      await expectFullMeeting(visitors);
      for (const { page } of visitors) await expect(page.getByTestId("banner")).toHaveCount(0);
      expect(await cluster?.carrying("world")).not.toContain(victim);
    }).toPass({ ...PATIENCE, timeout: 50_000 });
    info.annotations.push({ type: "whole again after", description: `${Date.now() - killed} ms` });
    for (const { errors } of visitors) expect(errors).toEqual([]);
    await one.page.screenshot({ path: info.outputPath("two-nodes.png") });
  });
}

test("a node is drained: who was there goes on at another one, with all that it sees", async ({
  browser,
}, info) => {
  cluster = await Cluster.open(3, { "cluster.policy": "user" });
  for (const number of [1, 2, 3]) {
    const relay = await Relay.before(cluster.node(number), addressIn(number));
    relays.push(relay);
    visitors.push(await Visitor.arrive(browser, relay, { room: "world", peer: `peer${number}` }));
  }
  await expectFullMeeting(visitors);
  await Promise.all(visitors.map(({ page }) => page.evaluate(watchContinuity)));
  // The pictures of who goes are others than before for who stays.
  const others = ({ peer }: Visitor) =>
    visitors.map((it) => it.peer).filter((name) => name !== peer && name !== "peer3");
  for (const visitor of visitors) for (const peer of others(visitor)) await visitor.watchStills(peer);

  await cluster.drain(3, 5_000);
  await expect.poll(() => cluster?.drainOf(3), { ...PATIENCE, timeout: 50_000 }).toBe("drained");
  expect(await cluster.carrying("world")).toEqual([1, 2]);
  for (const visitor of visitors) {
    for (const peer of others(visitor)) {
      const still = await visitor.longestStill(peer);
      const description = `${peer} at ${visitor.peer}: ${still} ms`;
      info.annotations.push({ type: "still", description });
      process.stdout.write(`drain of a node: the picture of ${description} at most\n`);
    }
    const seen: Continuity = await visitor.page.evaluate(readContinuity);
    // The others see it leave one part of the room and come into another, at the same time.
    if (visitor.peer === "peer3") expect(seen).toEqual({ banners: [], missing: [], announced: [] });
    expect(seen.banners).toEqual([]);
    expect(visitor.errors).toEqual([]);
  }
  await expectFullMeeting(visitors);
});
