// A signalling connection that breaks while media goes on.

import { expect, test } from "@playwright/test";
import { readContinuity, watchContinuity } from "../support/continuity";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { Relay } from "../support/relay";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

// Longer than the server keeps a session. This is what is tested, and the only waiting by the clock.
const TOO_LONG_MS = 12_000;

let hall: Hall;
let relay: Relay;
let visitors: Visitor[] = [];

test.beforeEach(async () => {
  hall = await Hall.open();
  relay = await Relay.before(hall);
});

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of visitors) await visitor.close();
  visitors = [];
  relay?.close();
  await hall?.stop();
});

// The first one's signalling goes over the relay.
async function meet(browser: Parameters<typeof Visitor.arrive>[0]): Promise<[Visitor, Visitor]> {
  const one = await Visitor.arrive(browser, relay, { room: "wire", peer: "peer1" });
  const two = await Visitor.arrive(browser, hall, { room: "wire", peer: "peer2" });
  visitors = [one, two];
  await expectFullMeeting(visitors);
  return [one, two];
}

test("the session goes on over another connection, and nobody notices", async ({ browser }) => {
  const [one, two] = await meet(browser);
  const before = [await one.inboundVideo("peer2"), await two.inboundVideo("peer1")];
  for (const { page } of visitors) await page.evaluate(watchContinuity);
  for (const round of [1, 2, 3]) {
    relay.cut();
    await expect.poll(() => one.sockets, PATIENCE).toBe(1 + round);
    // What is asked meanwhile is not lost, and carried out once.
    await one.press("h");
    const raised = round % 2 === 1 ? "true" : "false";
    await expect(two.tile("peer1")).toHaveAttribute("data-hand", raised, PATIENCE);
  }
  const after = [await one.inboundVideo("peer2"), await two.inboundVideo("peer1")];
  expect(after.map((entry) => entry?.ssrc)).toEqual(before.map((entry) => entry?.ssrc));
  expect(Number(after[0]?.framesDecoded)).toBeGreaterThan(Number(before[0]?.framesDecoded));
  for (const { page, errors } of visitors) {
    const { banners, missing } = await page.evaluate(readContinuity);
    expect({ banners, missing }).toEqual({ banners: [], missing: [] });
    expect(errors).toEqual([]);
  }
  await expectFullMeeting(visitors);
});

test("what has happened meanwhile is told afterwards", async ({ browser }) => {
  const [one, two] = await meet(browser);
  relay.sever();
  await two.press("m");
  await two.press("h");
  const three = await Visitor.arrive(browser, hall, { room: "wire", peer: "peer3" });
  visitors.push(three);
  await three.sees("peer1");
  await expect(one.page.getByTestId("banner")).toBeVisible(PATIENCE);
  relay.mend();
  await expect(one.tile("peer2")).toHaveAttribute("data-muted", "true", PATIENCE);
  await expect(one.tile("peer2")).toHaveAttribute("data-hand", "true", PATIENCE);
  await expect(one.page.getByTestId("banner")).toHaveCount(0, PATIENCE);
  await one.sees("peer3");
  await three.sees("peer1");
});

test("after the time is over the page joins anew under the same name", async ({ browser }) => {
  const [one, two] = await meet(browser);
  const before = await two.inboundVideo("peer1");
  relay.sever();
  await expect(one.page.getByTestId("banner")).toBeVisible(PATIENCE);
  await new Promise((resolve) => setTimeout(resolve, TOO_LONG_MS));
  await expect(two.page.getByTestId("count")).toHaveText("1", PATIENCE);
  relay.mend();
  await expect(one.page.getByTestId("banner")).toHaveCount(0, PATIENCE);
  await expectFullMeeting(visitors);
  expect((await two.inboundVideo("peer1"))?.ssrc).not.toBe(before?.ssrc);
});
