// What hosts can do to others, and what listeners can do about it.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

test.describe.configure({ mode: "serial" });

const PEERS = ["peer1", "peer2", "peer3"];

let hall: Hall;
let visitors: [Visitor, Visitor, Visitor];

test.beforeAll(async ({ browser }) => {
  hall = await Hall.open();
  const arrive = (peer: string): Promise<Visitor> =>
    Visitor.arrive(browser, hall, { room: "roles", peer, params: { view: "grid" } });
  visitors = [await arrive("peer1"), await arrive("peer2"), await arrive("peer3")];
  await expectFullMeeting(visitors);
});

test.afterAll(async () => {
  for (const visitor of visitors ?? []) await visitor.close();
  await hall?.stop();
});

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

// Everybody sees it at the tile of `peer`.
async function allSee(peer: string, attribute: string, value: string): Promise<void> {
  for (const visitor of visitors)
    await expect(visitor.tile(peer)).toHaveAttribute(attribute, value, PATIENCE);
}

test("who came first is host, and only hosts have menus", async () => {
  const [one, two] = visitors;
  await allSee("peer1", "data-role", "host");
  for (const peer of PEERS.slice(1)) await allSee(peer, "data-role", "speaker");
  await expect(one.page.getByRole("button", { name: /^What to do with/ })).toHaveCount(2);
  await expect(two.page.getByRole("button", { name: /^What to do with/ })).toHaveCount(0);
});

test("a host mutes somebody, who can unmute again", async () => {
  const [one, two, three] = visitors;
  await one.does("Mute", "peer2");
  await allSee("peer2", "data-muted", "true");
  await two.isTold("A host muted you");
  await one.hearsNothingOf("peer2");
  await three.hears("peer1");
  await two.press("m");
  await allSee("peer2", "data-muted", "false");
  await one.hears("peer2");
});

test("a host mutes everybody but the hosts", async () => {
  const [one, two, three] = visitors;
  await one.openPeople();
  await one.page.getByRole("button", { name: "Mute everybody" }).click();
  for (const peer of PEERS.slice(1)) await allSee(peer, "data-muted", "true");
  await allSee("peer1", "data-muted", "false");
  await one.press("Escape");
  await expect(one.page.getByTestId("people")).toHaveCount(0);
  for (const visitor of [two, three]) await visitor.press("m");
  await expectFullMeeting(visitors);
});

test("a listener sends nothing, raises a hand, and speaks when a host lets it", async () => {
  const [one, two, three] = visitors;
  await one.does("Only listen", "peer2");
  await allSee("peer2", "data-role", "listener");
  await allSee("peer2", "data-video", "false");
  await allSee("peer2", "data-muted", "true");
  await two.isTold("You are a listener now");
  await two.press("m");
  await two.press("v");
  await allSee("peer2", "data-muted", "true");
  await two.sees("peer3");
  await two.press("h");
  await allSee("peer2", "data-hand", "true");
  await expect(three.page.getByTestId("announcement")).toHaveText("peer2 raises a hand");
  await one.does("Let speak", "peer2");
  await allSee("peer2", "data-role", "speaker");
  // Nothing begins by itself.
  await two.isTold("You may speak");
  await allSee("peer2", "data-muted", "true");
  await two.press("m");
  await two.press("v");
  await expectFullMeeting(visitors);
  await one.does("Lower the hand", "peer2");
  await allSee("peer2", "data-hand", "false");
});

test("a host ends what somebody shares", async () => {
  const [one, two, three] = visitors;
  await two.press("s");
  for (const visitor of [one, three]) await visitor.sees("peer2", "screen");
  await one.does("Stop the screen", "peer2", "screen");
  for (const visitor of visitors) await expect(visitor.tile("peer2", "screen")).toHaveCount(0, PATIENCE);
  await expect(two.page.getByRole("button", { name: "Share your screen" })).toBeVisible();
  for (const visitor of [one, three]) await visitor.sees("peer2");
});

test("there can be several hosts", async () => {
  const [one, two, three] = visitors;
  await one.does("Make a host", "peer2");
  await allSee("peer2", "data-role", "host");
  await two.isTold("You are a host now");
  await two.does("Mute", "peer3");
  await allSee("peer3", "data-muted", "true");
  await three.press("m");
  await allSee("peer3", "data-muted", "false");
});

test("menus work by keys alone", async () => {
  const [one] = visitors;
  const menu = one.tile("peer3").getByRole("button", { name: /^What to do with/ });
  await menu.focus();
  await one.press("Enter");
  await expect(one.page.getByRole("menuitem", { name: "Mute" })).toBeFocused();
  await one.press("ArrowUp");
  await expect(one.page.getByRole("menuitem", { name: "Remove" })).toBeFocused();
  await one.press("Home");
  await one.press("Enter");
  await allSee("peer3", "data-muted", "true");
  await expect(menu).toBeFocused();
});

test("who is removed is out, and stays out", async () => {
  const [one, two, three] = visitors;
  await one.does("Remove", "peer3");
  await expect(three.page.getByRole("alert")).toContainText("You were removed", PATIENCE);
  for (const visitor of [one, two]) await expect(visitor.tile("peer3")).toHaveCount(0, PATIENCE);
  await expect(three.page.getByRole("button", { name: "Join again" })).toBeVisible();
});

test("no page threw an error", () => {
  for (const { errors } of visitors) expect(errors).toEqual([]);
});
