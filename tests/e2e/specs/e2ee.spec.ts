// Frames that are encrypted between the pages pass the node, which has no key to them.

import { type Browser, expect, test } from "@playwright/test";
import { encrypting, type FrameCounts, type Key } from "../support/encryption";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { readPicture, type Seen, signalOf } from "../support/signals";
import { PATIENCE, Visitor } from "../support/visitor";

// Of the picture and the sound together; what arrives before can be said to have had its chance.
const ENOUGH_PACKETS = 300;

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

function arrive(browser: Browser, room: string, peer: string, key: Key): Promise<Visitor> {
  return Visitor.arrive(encrypting(browser, key) as Browser, hall, { room, peer, params: { codec: "vp8" } });
}

function counts({ page }: Visitor): Promise<FrameCounts> {
  return page.evaluate(() => (window as unknown as { encryption: FrameCounts }).encryption);
}

async function packetsReceived(visitor: Visitor): Promise<number> {
  const { recv } = await visitor.reports();
  const inbound = recv.filter(({ type }) => type === "inbound-rtp");
  return inbound.reduce((sum, { packetsReceived }) => sum + Number(packetsReceived ?? 0), 0);
}

async function picture(visitor: Visitor, peer: string): Promise<Seen | undefined> {
  const video = visitor.tile(peer).locator("video");
  if ((await video.count()) !== 1) return undefined;
  return video.evaluate(readPicture as (element: Element) => Seen | undefined).catch(() => undefined);
}

// Packets keep arriving, and nothing that looks like `peer` is ever made of them.
async function seesNothingOf(visitor: Visitor, peer: string): Promise<void> {
  const start = await packetsReceived(visitor);
  const seen: (number | undefined)[] = [];
  await expect
    .poll(async () => {
      seen.push((await picture(visitor, peer))?.code);
      return (await packetsReceived(visitor)) - start;
    }, PATIENCE)
    .toBeGreaterThan(ENOUGH_PACKETS);
  expect(seen).not.toContain(signalOf(peer, "camera").code);
}

test("with the same key people see and hear each other", async ({ browser }) => {
  const one = await arrive(browser, "sealed", "peer1", "correct horse");
  const two = await arrive(browser, "sealed", "peer2", "correct horse");
  for (const [visitor, other] of [
    [one, "peer2"],
    [two, "peer1"],
  ] as const) {
    await visitor.sees(other);
    await visitor.hears(other);
    const { sealed, opened, refused } = await counts(visitor);
    expect(sealed).toBeGreaterThan(0);
    expect(opened).toBeGreaterThan(0);
    expect(refused).toBe(0);
    expect(visitor.errors).toEqual([]);
  }
  await one.close();
  await two.close();
});

test("who comes later starts with a key frame of an encrypted stream", async ({ browser }) => {
  const one = await arrive(browser, "late", "peer1", "battery staple");
  const two = await arrive(browser, "late", "peer2", "battery staple");
  await one.sees("peer2");
  const three = await arrive(browser, "late", "peer3", "battery staple");
  for (const peer of ["peer1", "peer2"]) {
    await three.sees(peer);
    await three.hears(peer);
  }
  for (const visitor of [one, two, three]) await visitor.close();
});

test("with another key nothing is seen or heard, although everything arrives", async ({ browser }) => {
  const one = await arrive(browser, "other-key", "peer1", "the right one");
  const two = await arrive(browser, "other-key", "peer2", "another one");
  await seesNothingOf(two, "peer1");
  await two.hearsNothingOf("peer1");
  expect(await two.framesDecoded("peer1")).toBe(0);
  const { opened, refused } = await counts(two);
  expect(opened).toBe(0);
  expect(refused).toBeGreaterThan(0);
  await one.close();
  await two.close();
});

test("without a key the picture is not the one that was drawn", async ({ browser }) => {
  const one = await arrive(browser, "no-key", "peer1", "the right one");
  const two = await arrive(browser, "no-key", "peer2", undefined);
  await seesNothingOf(two, "peer1");
  // The other direction is not encrypted, which a page that expects it refuses.
  await seesNothingOf(one, "peer2");
  expect((await counts(one)).opened).toBe(0);
  await one.close();
  await two.close();
});
