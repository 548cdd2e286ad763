// What nobody watches is not even sent.

import { expect, type TestInfo, test } from "@playwright/test";
import { within } from "../support/bounded";
import { ClassicGuest } from "../support/classic";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { PATIENCE, type StatsEntry, Visitor } from "../support/visitor";

// A viewer who comes back waits for the sender to start, for its encoder's key frame, and for the way of both.
const BACK_MS = 2_000;

const PICTURE = { width: 960, height: 540, fps: 15 };

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

async function meet(
  browser: Parameters<typeof Visitor.arrive>[0],
  room: string,
  params: Record<string, string>,
): Promise<[Visitor, Visitor]> {
  const sender = await Visitor.arrive(browser, hall, { room, peer: "peer1", params, picture: PICTURE });
  const viewer = await arriveViewer(browser, room, params);
  await viewer.sees("peer1");
  return [sender, viewer];
}

function arriveViewer(
  browser: Parameters<typeof Visitor.arrive>[0],
  room: string,
  params: Record<string, string>,
): Promise<Visitor> {
  return Visitor.arrive(browser, hall, { room, peer: "peer2", params: { ...params, camera: "0", mic: "0" } });
}

// Which encodings of the camera are on, smallest first.
async function on(sender: Pick<Visitor, "sends">): Promise<string> {
  return (await sender.sends()).map(({ active }) => (active === false ? "off" : "on")).join(" ");
}

// Nothing of the picture leaves any more.
async function expectSilence(sender: Visitor): Promise<void> {
  let last = -1;
  const grown = async (): Promise<number> => {
    const bytes = total(await sender.sends(), "bytesSent");
    const more = bytes - last;
    last = bytes;
    return more;
  };
  await expect.poll(grown, { ...PATIENCE, intervals: [1000] }).toBe(0);
}

function total(entries: StatsEntry[], name: string): number {
  return entries.reduce((sum, entry) => sum + Number(entry[name] ?? 0), 0);
}

async function expectPicture(info: TestInfo, viewer: Visitor, what: string, from: number): Promise<void> {
  await within(
    info,
    what,
    BACK_MS,
    () => viewer.framesDecoded("peer1"),
    (frames) => frames > from,
  );
  await viewer.sees("peer1");
}

const ENCODINGS: Record<string, string> = { vp8: "off off off", vp9: "off" };

for (const [codec, off] of Object.entries(ENCODINGS)) {
  test(`${codec}: a camera that nobody watches rests until somebody does`, async ({ browser }, info) => {
    const [sender, viewer] = await meet(browser, `demand-${codec}`, { codec });
    await viewer.hide();
    await expect.poll(() => on(sender), PATIENCE).toBe(off);
    await expectSilence(sender);
    await sender.press("i");
    await expect(sender.tile("peer1").locator("[data-stat=sends]")).toContainText("off", PATIENCE);

    const frames = await viewer.framesDecoded("peer1");
    await viewer.hide(false);
    await expectPicture(info, viewer, `${codec}: picture after coming back`, frames);
    expect(await on(sender)).toContain("on");

    await viewer.leave();
    await expect.poll(() => on(sender), PATIENCE).toBe(off);
    await viewer.close();
    const next = await arriveViewer(browser, `demand-${codec}`, { codec });
    await expectPicture(info, next, `${codec}: picture for somebody who joins`, 0);
    for (const visitor of [sender, next]) {
      expect(visitor.errors).toEqual([]);
      await visitor.close();
    }
  });
}

test("sizes that nobody shows rest", async ({ browser }) => {
  const [sender, viewer] = await meet(browser, "demand-sizes", { codec: "vp8" });
  // So small that the smallest size is enough by any reckoning: around a border the page stays where it was.
  await viewer.page.setViewportSize({ width: 260, height: 320 });
  await expect.poll(() => on(sender), PATIENCE).toBe("on off off");
  await viewer.sees("peer1");
  await viewer.page.setViewportSize({ width: 1280, height: 720 });
  await expect.poll(() => on(sender), PATIENCE).toMatch(/on$/);
  await expect.poll(() => viewer.width("peer1"), { ...PATIENCE, timeout: 45_000 }).toBe(PICTURE.width);
  await sender.close();
  await viewer.close();
});

test("a camera that is switched off and on in the meantime rests too", async ({ browser }) => {
  const [sender, viewer] = await meet(browser, "demand-switched", { codec: "vp8" });
  await viewer.hide();
  await expect.poll(() => on(sender), PATIENCE).toBe("off off off");
  await sender.press("v");
  await expect(viewer.tile("peer1")).toHaveAttribute("data-video", "false", PATIENCE);
  await sender.press("v");
  await expect.poll(async () => (await viewer.received("peer1"))?.unwatched, PATIENCE).toBe(true);
  await expectSilence(sender);
  await viewer.hide(false);
  await viewer.sees("peer1");
  await sender.close();
  await viewer.close();
});

test("a classic client is not told, and sends on", async ({ browser }) => {
  const room = "demand-classic";
  const sender = await ClassicGuest.arrive(browser, hall, { room, peer: "peer1", picture: PICTURE });
  const viewer = await arriveViewer(browser, room, { codec: "vp8" });
  await viewer.sees("peer1");
  await viewer.hide();
  await expect.poll(async () => (await viewer.received("peer1"))?.unwatched, PATIENCE).toBe(true);
  // Longer than others take to rest: by frames, so that a slow machine takes its time.
  const frames = total(await sender.sends(), "framesSent");
  await expect
    .poll(async () => total(await sender.sends(), "framesSent"), PATIENCE)
    .toBeGreaterThan(frames + 15 * PICTURE.fps);
  expect(await on(sender)).toBe("on on on");
  expect(sender.all("producerDemand")).toEqual([]);
  await sender.close();
  await viewer.close();
});
