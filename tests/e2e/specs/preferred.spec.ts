// Everybody receives what their tiles can show: who is on the stage large, the others small.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { PATIENCE, Visitor } from "../support/visitor";

test.describe.configure({ mode: "serial" });

const PICTURE = { width: 960, height: 540, fps: 10 };

// The first look at the layers has to wait until the senders' encoders have reached their largest picture.
const RAMP = { ...PATIENCE, timeout: 45_000 };

let hall: Hall;
let viewer: Visitor;
let people: [Visitor, Visitor, Visitor];

test.beforeAll(async ({ browser }) => {
  hall = await Hall.open();
  const room = "preferred";
  const arrive = (peer: string, params: Record<string, string>): Promise<Visitor> =>
    Visitor.arrive(browser, hall, { room, peer, params, picture: PICTURE });
  people = [
    await arrive("peer1", {}),
    await arrive("peer2", { mic: "0" }),
    await arrive("peer3", { mic: "0" }),
  ];
  // They do not look at each other, which is a test of its own: nothing is asked for a page that nobody sees.
  for (const one of people) await one.hide();
  viewer = await Visitor.arrive(browser, hall, { room, peer: "peer4", params: { camera: "0", mic: "0" } });
});

test.afterAll(async () => {
  for (const visitor of [...(people ?? []), viewer]) await visitor?.close();
  await hall?.stop();
});

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

// One is received in its full size, the others smaller.
async function expectLarge(large: string): Promise<void> {
  await expect.poll(() => viewer.width(large), RAMP).toBe(PICTURE.width);
  for (const { peer } of people) {
    if (peer === large) continue;
    await expect
      .poll(() => viewer.width(peer), { ...RAMP, message: `${peer} is small` })
      .toBeLessThanOrEqual(PICTURE.width / 2);
    await viewer.sees(peer);
  }
  await viewer.sees(large);
}

test("who speaks is large, the others are small", async () => {
  await expectLarge("peer1");
  const [large, small] = [await viewer.tile("peer1").boundingBox(), await viewer.tile("peer2").boundingBox()];
  expect(large?.width).toBeGreaterThan(2 * (small?.width ?? 0));
});

test("the overlay shows what was asked for and what arrives", async ({ browserName: _ }, info) => {
  await viewer.press("i");
  const layer = (peer: string) => viewer.tile(peer).locator("[data-stat=layer]");
  await expect(layer("peer1")).toHaveText("S2 T2 · wanted S2 T2", PATIENCE);
  await expect(layer("peer2")).toHaveText(/^S([01]) T2 · wanted S\1 T2$/, PATIENCE);
  // For people to look at.
  await viewer.page.screenshot({ path: info.outputPath("overlay.png") });
  await viewer.press("i");
});

test("the stage follows who speaks", async () => {
  const [one, two] = people;
  await one.press("m");
  await two.press("m");
  await expectLarge("peer2");
});

test("a pinned tile is large whoever speaks", async () => {
  await viewer.tile("peer3").dblclick();
  await expectLarge("peer3");
  await viewer.tile("peer3").dblclick();
  await expectLarge("peer2");
});

test("a page that nobody sees receives no pictures", async () => {
  await viewer.hide();
  for (const { peer } of people) {
    await expect.poll(async () => (await viewer.received(peer))?.unwatched, PATIENCE).toBe(true);
    let last = -1;
    const grown = async (): Promise<number> => {
      const bytes = Number((await viewer.inboundVideo(peer))?.bytesReceived ?? 0);
      const more = bytes - last;
      last = bytes;
      return more;
    };
    await expect.poll(grown, { ...PATIENCE, intervals: [500] }).toBe(0);
  }
  await viewer.hide(false);
  await expectLarge("peer2");
});

test("no page threw an error", () => {
  for (const { errors } of [viewer, ...people]) expect(errors).toEqual([]);
});
