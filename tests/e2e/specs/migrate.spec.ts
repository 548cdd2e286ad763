// Rooms that go on at another worker: what people notice of it.

import { expect, test } from "@playwright/test";
import { type Continuity, readContinuity, watchContinuity } from "../support/continuity";
import { Hall } from "../support/hall";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

const PEERS = ["peer1", "peer2", "peer3"];

let hall: Hall;
let visitors: Visitor[];

test.beforeEach(async () => {
  hall = await Hall.open(2);
});

test.afterEach(async ({ browserName: _ }, info) => {
  if (info.status !== info.expectedStatus)
    await info.attach("node.log", { body: hall.log, contentType: "text/plain" });
  for (const visitor of visitors ?? []) await visitor.close();
  await hall?.stop();
});

// The streams that are received, which are others after a move.
async function streams(visitor: Visitor): Promise<unknown[]> {
  const others = PEERS.filter((peer) => peer !== visitor.peer);
  return Promise.all(others.map(async (peer) => (await visitor.inboundVideo(peer))?.ssrc));
}

async function expectOtherStreams(visitor: Visitor, before: unknown[]): Promise<void> {
  await expect
    .poll(async () => {
      const now = await streams(visitor);
      return now.every((ssrc, index) => ssrc !== undefined && ssrc !== before[index]);
    }, PATIENCE)
    .toBe(true);
}

for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  test(`a worker ends by ${signal}, and the meeting goes on on the same pages`, async ({ browser }, info) => {
    visitors = [];
    for (const peer of PEERS) visitors.push(await Visitor.arrive(browser, hall, { room: "moved", peer }));
    const [one, two, three] = visitors as [Visitor, Visitor, Visitor];
    await expectFullMeeting(visitors);
    await two.press("m");
    await expect(one.tile("peer2")).toHaveAttribute("data-muted", "true", PATIENCE);
    await expect(three.tile("peer2")).toHaveAttribute("data-muted", "true", PATIENCE);
    const before = await Promise.all(visitors.map(streams));
    await Promise.all(visitors.map(({ page }) => page.evaluate(watchContinuity)));
    for (const visitor of visitors)
      for (const peer of PEERS) if (peer !== visitor.peer) await visitor.watchStills(peer);

    hall.strike(await hall.workerOf("moved"), signal);
    for (const [index, visitor] of visitors.entries())
      await expectOtherStreams(visitor, before[index] as unknown[]);

    for (const visitor of visitors) {
      for (const peer of PEERS.filter((name) => name !== visitor.peer)) {
        await visitor.sees(peer);
        const still = await visitor.longestStill(peer);
        info.annotations.push({ type: "still", description: `${peer} at ${visitor.peer}: ${still} ms` });
      }
      await expect(visitor.page.getByTestId("count")).toHaveText("3");
      const seen: Continuity = await visitor.page.evaluate(readContinuity);
      expect(seen).toEqual({ banners: [], missing: [], announced: [] });
      expect(visitor.sockets).toBe(1);
      expect(visitor.errors).toEqual([]);
    }
    await one.hears("peer3");
    await expect(one.tile("peer2")).toHaveAttribute("data-muted", "true");
    await two.press("m");
    await one.hears("peer2");
    await three.hears("peer2");
    // And once more: the worker that was struck is back by then.
    const again = await streams(one);
    hall.strike(await hall.workerOf("moved"), "SIGKILL");
    await expectOtherStreams(one, again);
    await expectFullMeeting(visitors);
  });
}

test("a worker is drained, and nobody notices", async ({ browser }, info) => {
  visitors = [];
  for (const peer of PEERS) visitors.push(await Visitor.arrive(browser, hall, { room: "drained", peer }));
  await expectFullMeeting(visitors);
  const worker = await hall.workerOf("drained");
  const before = await Promise.all(visitors.map(streams));
  await Promise.all(visitors.map(({ page }) => page.evaluate(watchContinuity)));
  for (const visitor of visitors)
    for (const peer of PEERS) if (peer !== visitor.peer) await visitor.watchStills(peer);

  await hall.drain(worker);
  for (const [index, visitor] of visitors.entries())
    await expectOtherStreams(visitor, before[index] as unknown[]);
  await expect.poll(() => hall.stateOf(worker), PATIENCE).toBe("drained");
  for (const visitor of visitors) {
    for (const peer of PEERS.filter((name) => name !== visitor.peer)) {
      const still = await visitor.longestStill(peer);
      info.annotations.push({ type: "still", description: `${peer} at ${visitor.peer}: ${still} ms` });
      process.stdout.write(
        `drain: the picture of ${peer} at ${visitor.peer} stood still for ${still} ms at most\n`,
      );
    }
    const seen: Continuity = await visitor.page.evaluate(readContinuity);
    expect(seen).toEqual({ banners: [], missing: [], announced: [] });
    expect(visitor.sockets).toBe(1);
    expect(visitor.errors).toEqual([]);
  }
  expect((await hall.workerOf("drained")).workerId).not.toBe(worker.workerId);
  await expectFullMeeting(visitors);
});
