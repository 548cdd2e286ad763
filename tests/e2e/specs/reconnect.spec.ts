// Networks that go away and servers that do.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { CuttableBrowser } from "../support/network";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

// How long a page is cut off. This is what is tested, and the only waiting by the clock.
const OFFLINE_MS = 3_000;

let hall: Hall;
let cuttable: CuttableBrowser;

test.beforeEach(async () => {
  hall = await Hall.open();
  cuttable = await CuttableBrowser.launch();
});

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  await cuttable?.close();
  await hall?.stop();
});

function offline(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, OFFLINE_MS));
}

test("three seconds without network, and the page comes back by itself on a new one", async ({ browser }) => {
  const one = await Visitor.arrive(browser, hall, { room: "cut", peer: "peer1" });
  const two = await Visitor.arrive(browser, hall, { room: "cut", peer: "peer2" });
  const away = await Visitor.arrive(cuttable.browser, hall, { room: "cut", peer: "peer3" });
  const all = [one, two, away];
  await expectFullMeeting(all);
  cuttable.cut();
  await offline();
  cuttable.replace();
  await expect(away.page.getByTestId("banner")).toHaveAttribute(
    "data-link",
    /down|connecting|resuming|weak/,
    PATIENCE,
  );
  await expect(away.page.getByTestId("banner")).toHaveCount(0, PATIENCE);
  await expectFullMeeting(all);
  await one.close();
  await two.close();
});

test("three seconds without network do not end a connection that survives them", async ({ browser }) => {
  const one = await Visitor.arrive(browser, hall, { room: "gap", peer: "peer1" });
  const away = await Visitor.arrive(cuttable.browser, hall, { room: "gap", peer: "peer2" });
  await expectFullMeeting([one, away]);
  const before = await one.inboundVideo("peer2");
  cuttable.cut();
  await offline();
  cuttable.mend();
  const decoded = Number(before?.framesDecoded);
  await expect.poll(() => one.framesDecoded("peer2"), PATIENCE).toBeGreaterThan(decoded + 30);
  await expectFullMeeting([one, away]);
  // Still the same stream: nobody had to join again.
  expect((await one.inboundVideo("peer2"))?.ssrc).toBe(before?.ssrc);
  await one.close();
});

test("a server that dies is reported, and rejoined when it is back", async ({ browser }) => {
  const one = await Visitor.arrive(browser, hall, { room: "phoenix", peer: "peer1" });
  const two = await Visitor.arrive(browser, hall, { room: "phoenix", peer: "peer2" });
  await expectFullMeeting([one, two]);
  await hall.kill();
  for (const { page } of [one, two]) {
    await expect(page.getByTestId("banner")).toContainText("Connection lost", PATIENCE);
    await expect(page.getByTestId("banner")).toContainText("reconnecting");
  }
  await hall.start();
  await expect(one.page.getByTestId("banner")).toHaveCount(0, PATIENCE);
  await expect(two.page.getByTestId("banner")).toHaveCount(0, PATIENCE);
  await expectFullMeeting([one, two]);
  await one.close();
  await two.close();
});

test("of two pages with the same identity, the newer one stays", async ({ browser }) => {
  const one = await Visitor.arrive(browser, hall, { room: "twins", peer: "peer1" });
  const old = await Visitor.arrive(browser, hall, { room: "twins", peer: "peer2" });
  await expectFullMeeting([one, old]);
  const young = await Visitor.arrive(browser, hall, { room: "twins", peer: "peer2" });
  await expect(old.page.getByRole("alert")).toContainText("You are out of the meeting", PATIENCE);
  await expectFullMeeting([one, young]);
  // The old page does not fight back.
  await expect(old.page.getByRole("button", { name: "Join again" })).toBeVisible();
  for (const visitor of [one, old, young]) await visitor.close();
});
