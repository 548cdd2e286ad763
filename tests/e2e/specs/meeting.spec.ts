// Three people in one room: who is seen and heard where, and what the others notice.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

test.describe.configure({ mode: "serial" });

let hall: Hall;
let visitors: [Visitor, Visitor, Visitor];

test.beforeAll(async ({ browser }) => {
  hall = await Hall.open();
  visitors = [
    await Visitor.arrive(browser, hall, { room: "three", peer: "peer1" }),
    await Visitor.arrive(browser, hall, { room: "three", peer: "peer2" }),
    await Visitor.arrive(browser, hall, { room: "three", peer: "peer3" }),
  ];
});

test.afterAll(async () => {
  for (const visitor of visitors ?? []) await visitor.close();
  await hall?.stop();
});

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

test("everybody sees and hears the right people", async () => {
  await expectFullMeeting(visitors);
});

test("who makes a sound is marked as speaking", async () => {
  const [one] = visitors;
  await expect(one.tile("peer2")).toHaveAttribute("data-speaking", "true", PATIENCE);
  await expect(one.tile("peer1")).toHaveAttribute("data-speaking", "true", PATIENCE);
});

test("media is sealed with AES-GCM in both directions", async () => {
  for (const visitor of visitors) {
    const { send, recv } = await visitor.reports();
    for (const reports of [send, recv]) {
      const ciphers = reports.filter(({ type }) => type === "transport").map(({ srtpCipher }) => srtpCipher);
      expect(ciphers).toHaveLength(1);
      expect(ciphers[0]).toMatch(/^(SRTP_)?AEAD_AES_(128|256)_GCM$/);
    }
  }
});

test("padded packets play", async ({ browserName: _ }, info) => {
  const [one] = visitors;
  const before = await one.inboundVideo("peer2");
  const frames = Number(before?.framesDecoded);
  await expect.poll(() => one.framesDecoded("peer2"), PATIENCE).toBeGreaterThan(frames + 60);
  const after = await one.inboundVideo("peer2");
  const grown = (name: string): number => Number(after?.[name] ?? 0) - Number(before?.[name] ?? 0);
  info.annotations.push({ type: "freezes", description: String(grown("freezeCount")) });
  // A depacketizer that chokes on padding asks for key frames and drops what it cannot decode.
  expect(grown("pliCount")).toBe(0);
  expect(grown("packetsLost")).toBe(0);
});

test("muting and unmuting is seen and heard by the others", async () => {
  const [one, two, three] = visitors;
  await two.press("m");
  for (const other of [one, three]) {
    await expect(other.tile("peer2")).toHaveAttribute("data-muted", "true", PATIENCE);
    await expect(other.tile("peer2").getByTestId("muted")).toBeVisible();
    await other.hearsNothingOf("peer2");
    await expect(other.tile("peer2")).toHaveAttribute("data-speaking", "false", PATIENCE);
  }
  await two.press("m");
  for (const other of [one, three]) {
    await expect(other.tile("peer2")).toHaveAttribute("data-muted", "false", PATIENCE);
    await other.hears("peer2");
  }
});

test("a camera that goes off and on is seen by the others", async () => {
  const [one, , three] = visitors;
  await three.press("v");
  await expect(one.tile("peer3")).toHaveAttribute("data-video", "false", PATIENCE);
  await three.press("v");
  await one.sees("peer3");
});

test("a shared screen is seen by the others until it ends", async () => {
  const [one, two, three] = visitors;
  await one.press("s");
  for (const other of [two, three]) {
    await other.sees("peer1", "screen");
    await other.sees("peer1", "camera");
  }
  await one.press("s");
  for (const other of [two, three]) await expect(other.tile("peer1", "screen")).toHaveCount(0, PATIENCE);
});

test("statistics are shown on every tile", async () => {
  const [one] = visitors;
  await one.press("i");
  const stats = one.tile("peer2").getByTestId("stats");
  await expect(stats.locator("[data-stat=picture]")).toHaveText(/\d+×\d+ · \d+ fps/, PATIENCE);
  await expect(stats.locator("[data-stat=video]")).toHaveText(/VP8 · .*b\/s · .*% lost/);
  await expect(stats.locator("[data-stat=audio]")).toHaveText(/opus/);
  await one.press("i");
  await expect(stats).toHaveCount(0);
});

test("who leaves is gone for the others", async () => {
  const [one, two, three] = visitors;
  await three.leave();
  await expect(three.page.getByRole("button", { name: "Join" })).toBeVisible();
  for (const other of [one, two]) {
    await expect(other.tile("peer3")).toHaveCount(0, PATIENCE);
    await expect(other.page.getByTestId("count")).toHaveText("2");
    await expect(other.page.getByTestId("announcement")).toHaveText("peer3 left");
  }
});

test("no page threw an error", () => {
  for (const { errors } of visitors) expect(errors).toEqual([]);
});
