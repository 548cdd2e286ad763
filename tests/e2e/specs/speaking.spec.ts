// Who speaks: frames and bars follow what the server tells of everybody's volume.

import { expect, test } from "@playwright/test";
import { ClassicGuest } from "../support/classic";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { PATIENCE, Visitor } from "../support/visitor";

const PEERS = ["peer1", "peer2", "peer3"];

let hall: Hall;
let visitors: Visitor[] = [];

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of visitors) await visitor.close();
  visitors = [];
  await hall?.stop();
});

// The notifications that a page has got, by their names.
function notifications(visitor: Visitor): Map<string, number> {
  const counts = new Map<string, number>();
  visitor.page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => {
      const { notification, method } = JSON.parse(payload.toString());
      if (notification) counts.set(method, (counts.get(method) ?? 0) + 1);
    });
  });
  return counts;
}

async function expectSpeaking(speaker: string | undefined): Promise<void> {
  for (const visitor of visitors) {
    for (const peer of PEERS) {
      const tile = visitor.tile(peer);
      await expect(tile).toHaveAttribute("data-speaking", String(peer === speaker), PATIENCE);
    }
  }
}

for (const [name, workers, settings] of [
  ["one worker", 1, {}],
  // Everybody has a place of his own.
  ["several workers", 3, { "workers.max_room_consumers": 1 }],
] as const) {
  test(`the frame follows who speaks, on ${name}`, async ({ browser }) => {
    hall = await Hall.open(workers, settings);
    let told = new Map<string, number>();
    for (const peer of PEERS) {
      const visitor = await Visitor.arrive(browser, hall, { room: "talk", peer, params: { view: "grid" } });
      visitors.push(visitor);
      await visitor.press("m");
      await expect(visitor.tile(peer)).toHaveAttribute("data-muted", "true");
    }
    const [one] = visitors as [Visitor, Visitor, Visitor];
    told = notifications(one);
    await one.page.reload();
    await expect(one.tile("peer1")).toBeVisible(PATIENCE);
    await one.press("m");
    await expect(one.tile("peer1")).toHaveAttribute("data-muted", "true");
    await expectSpeaking(undefined);

    for (const speaker of ["peer2", "peer3", "peer1"]) {
      const visitor = visitors.find(({ peer }) => peer === speaker) as Visitor;
      await visitor.press("m");
      await expectSpeaking(speaker);
      const bars = one.tile(speaker).getByTestId("volume");
      await expect
        .poll(async () => Number(await bars.getAttribute("data-volume")), PATIENCE)
        .toBeGreaterThan(0.3);
      await visitor.press("m");
      await expectSpeaking(undefined);
    }
    expect(told.get("speakingPeers") ?? 0).toBeGreaterThan(3);
    // Whoever speaks long enough gets the floor.
    const [, two] = visitors as [Visitor, Visitor, Visitor];
    await two.press("m");
    await expect.poll(() => told.get("activeSpeaker") ?? 0, PATIENCE).toBeGreaterThan(0);
    for (const { errors } of visitors) expect(errors).toEqual([]);
  });
}

test("a classic client is told of the loudest one", async ({ browser }) => {
  hall = await Hall.open();
  const first = await ClassicGuest.arrive(browser, hall, { room: "talk", peer: "peer1" });
  const second = await Visitor.arrive(browser, hall, { room: "talk", peer: "peer2" });
  const third = await Visitor.arrive(browser, hall, { room: "talk", peer: "peer3" });
  visitors.push(second, third);
  await third.press("m");
  const active = () => first.all("activeSpeaker").map(({ peerId }) => peerId);
  await expect.poll(() => active().includes("peer2"), PATIENCE).toBe(true);
  const loudest = first.all("activeSpeaker").find(({ peerId }) => peerId === "peer2");
  expect(Number(loudest?.volume)).toBeGreaterThan(-60);
  expect(first.all("speakingPeers")).toEqual([]);
  // Whoever speaks classic is heard like everybody else.
  await expect(third.tile("peer1")).toHaveAttribute("data-speaking", "true", PATIENCE);
  await first.close();
});
