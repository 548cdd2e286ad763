// Rooms that do not let everybody in: lobbies, locks, and places that are taken.

import { type Browser, expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of Visitor.present) await visitor.close();
});

const DOOR = "You are at the door";

function arrive(browser: Browser, room: string, peer: string, first?: string): Promise<Visitor> {
  return Visitor.arrive(browser, hall, { room, peer, first });
}

// By a host, in the list of people.
async function set(host: Visitor, name: RegExp): Promise<void> {
  await host.openPeople();
  await host.page.getByRole("switch", { name }).click();
  await expect(host.page.getByRole("switch", { name })).toHaveAttribute("aria-checked", "true", PATIENCE);
  await host.press("Escape");
}

test("who comes to a lobby waits until a host opens", async ({ browser }) => {
  const host = await arrive(browser, "lobby-in", "peer1");
  await set(host, /^Lobby/);
  const guest = await arrive(browser, "lobby-in", "peer2", DOOR);
  const knock = host.page.getByTestId("knock");
  await expect(knock).toContainText("peer2", PATIENCE);
  await expect(host.page.getByTestId("announcement")).toHaveText("peer2 waits to be let in");
  await expect(host.tile("peer2")).toHaveCount(0);
  await host.page.getByRole("button", { name: "Let peer2 in" }).click();
  await expect(knock).toHaveCount(0, PATIENCE);
  await expectFullMeeting([host, guest]);
  expect(guest.sockets).toBe(1);
  expect(guest.errors).toEqual([]);
});

test("who is sent away is told so, and may knock again", async ({ browser }) => {
  const host = await arrive(browser, "lobby-out", "peer1");
  await set(host, /^Lobby/);
  const guest = await arrive(browser, "lobby-out", "peer2", DOOR);
  await host.openPeople();
  await host.page.getByRole("button", { name: "Send peer2 away" }).click();
  await expect(guest.page.getByRole("alert")).toContainText("You were not let in", PATIENCE);
  await guest.page.getByRole("button", { name: "Join again" }).click();
  await expect(guest.page.getByText(DOOR)).toBeVisible(PATIENCE);
  await guest.page.getByRole("button", { name: "Do not wait" }).click();
  await expect(guest.page.getByRole("button", { name: "Join" })).toBeVisible();
  await expect(host.page.getByTestId("knock")).toHaveCount(0, PATIENCE);
});

test("nobody comes into a locked room", async ({ browser }) => {
  const host = await arrive(browser, "locked", "peer1");
  const inside = await arrive(browser, "locked", "peer2");
  await set(host, /^Locked/);
  for (const { page } of [host, inside])
    await expect(page.getByRole("img", { name: "locked" })).toBeVisible(PATIENCE);
  const late = await arrive(browser, "locked", "peer3", "The meeting is locked");
  await expect(host.page.getByTestId("count")).toHaveText("2");
  await host.openPeople();
  await host.page.getByRole("switch", { name: /^Locked/ }).click();
  await expect(inside.page.getByRole("img", { name: "locked" })).toHaveCount(0, PATIENCE);
  await late.page.getByRole("button", { name: "Join again" }).click();
  await late.sees("peer1");
});

test("a host sets the title, and how many may come", async ({ browser }) => {
  const host = await arrive(browser, "full", "peer1");
  const guest = await arrive(browser, "full", "peer2");
  await host.openPeople();
  await host.page.getByLabel("Title").fill("Tea at four");
  await host.page.getByLabel("Title").press("Enter");
  await expect(guest.page.getByRole("heading", { name: "Meeting Tea at four" })).toBeVisible(PATIENCE);
  await host.page.getByLabel("At most").fill("2");
  await host.page.getByLabel("At most").press("Enter");
  await expect(host.page.getByLabel("At most")).toHaveValue("2");
  await arrive(browser, "full", "peer3", "The meeting is full");
  await expect(host.page.getByTestId("count")).toHaveText("2");
});

test("a host ends the meeting for everybody", async ({ browser }) => {
  const host = await arrive(browser, "ended", "peer1");
  const guest = await arrive(browser, "ended", "peer2");
  await host.openPeople();
  await host.page.getByRole("button", { name: "End for everybody" }).click();
  for (const { page } of [host, guest])
    await expect(page.getByRole("alert")).toContainText("The meeting is over", PATIENCE);
});
