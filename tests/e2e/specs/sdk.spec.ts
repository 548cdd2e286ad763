// The examples of the client library, which anybody may begin with.

import { type Browser, expect, type Page, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { installSender, PLAIN, readPicture, type Seen, signalOf } from "../support/signals";
import { EXAMPLES, servePage } from "../support/static";
import { PATIENCE, Visitor } from "../support/visitor";

let hall: Hall;
let examples: Awaited<ReturnType<typeof servePage>>;

test.beforeAll(async () => {
  hall = await Hall.open();
  examples = await servePage(EXAMPLES);
});

test.afterAll(async () => {
  examples?.server.close();
  await hall?.stop();
});

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of Visitor.present) await visitor.close();
});

interface Opened {
  page: Page;
  errors: string[];
}

async function open(browser: Browser, name: "call" | "audience", room: string, who: string): Promise<Opened> {
  const page = await (await browser.newContext()).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.addInitScript(installSender, {
    camera: signalOf(who, "camera"),
    screen: signalOf(who, "screen"),
    picture: PLAIN,
  });
  const query = new URLSearchParams({ room, name: who, server: hall.url });
  await page.goto(`${examples.url}${name}/?${query}`);
  return { page, errors };
}

async function expectPicture(page: Page, selector: string, who: string): Promise<void> {
  const code = async (): Promise<number | undefined> => {
    const video = page.locator(selector);
    if ((await video.count()) !== 1) return undefined;
    const seen = await video.evaluate(readPicture as (element: Element) => Seen | undefined);
    return seen?.code;
  };
  await expect.poll(code, { ...PATIENCE, message: `picture of ${who}` }).toBe(signalOf(who, "camera").code);
}

test("a call of the smallest page with the meeting", async ({ browser }) => {
  const one = await Visitor.arrive(browser, hall, { room: "example", peer: "peer1" });
  const { page, errors } = await open(browser, "call", "example", "peer2");
  await expect(page.locator("#state")).toHaveText("joined", PATIENCE);
  await expect(page.locator("figcaption")).toHaveText("peer1");
  await expectPicture(page, '[id="peer1/camera"]', "peer1");
  const other = one.page.locator("[data-testid=tile][data-self=false]");
  await expect(other).toHaveAttribute("data-muted", "false", PATIENCE);
  await page.getByRole("button", { name: "Mute" }).click();
  await expect(other).toHaveAttribute("data-muted", "true", PATIENCE);
  await one.press("v");
  await expect(page.locator('[id="peer1/camera"]')).toHaveCount(0, PATIENCE);
  await page.getByRole("button", { name: "Leave" }).click();
  await expect(page.locator("#state")).toHaveText("left");
  await expect(one.page.getByTestId("count")).toHaveText("1", PATIENCE);
  expect(errors).toEqual([]);
});

test("a picture that is out of sight is not received", async ({ browser }) => {
  const one = await Visitor.arrive(browser, hall, { room: "scrolled", peer: "peer1" });
  const { page, errors } = await open(browser, "call", "scrolled", "peer2");
  await expectPicture(page, '[id="peer1/camera"]', "peer1");
  await page.addStyleTag({ content: "main { margin-top: 300vh }" });
  await expect
    .poll(async () => (await one.sends()).map(({ active }) => active), PATIENCE)
    .toEqual([false, false, false]);
  await page.locator('[id="peer1/camera"]').scrollIntoViewIfNeeded();
  await expect.poll(async () => (await one.sends()).some(({ active }) => active), PATIENCE).toBe(true);
  await expectPicture(page, '[id="peer1/camera"]', "peer1");
  expect(errors).toEqual([]);
});

test("the audience sees who speaks, sends nothing, and raises a hand", async ({ browser }) => {
  const one = await Visitor.arrive(browser, hall, { room: "audience", peer: "peer1" });
  const { page, errors } = await open(browser, "audience", "audience", "peer2");
  await expect(page.locator("#state")).toHaveText("1 others, 1 in sight", PATIENCE);
  await expectPicture(page, "video", "peer1");
  const other = one.page.locator("[data-testid=tile][data-self=false]");
  await expect(other).toHaveAttribute("data-video", "false");
  await page.getByRole("button", { name: "Raise your hand" }).click();
  await expect(other).toHaveAttribute("data-hand", "true", PATIENCE);
  await expect(page.getByRole("button", { name: "Lower your hand" })).toBeVisible();
  expect(errors).toEqual([]);
});
