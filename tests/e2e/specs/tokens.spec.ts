// Rooms whose doors ask for tokens: they say who comes, and what that person may do.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { type Claims, Issuer } from "../support/tokens";
import { expectFullMeeting, PATIENCE, Visitor } from "../support/visitor";

let issuer: Issuer;
let hall: Hall;

test.beforeAll(async () => {
  issuer = await Issuer.open();
  hall = await Hall.open(1, issuer.settings);
});

test.afterAll(async () => {
  await hall?.stop();
  await issuer?.close();
});

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of Visitor.present) await visitor.close();
});

function arrive(
  browser: Parameters<typeof Visitor.arrive>[0],
  peer: string,
  claims: Claims | undefined,
  first?: string,
): Promise<Visitor> {
  const params: Record<string, string> = claims ? { token: issuer.token(claims) } : {};
  return Visitor.arrive(browser, hall, { room: "guarded", peer, params, first });
}

test("a listener's token lets in to listen, and a host lets speak", async ({ browser }) => {
  const host = await arrive(browser, "peer1", {
    room: "guarded",
    peer: "peer1",
    role: "host",
    name: "Ada L.",
  });
  const guest = await arrive(browser, "peer2", { room: "guarded", peer: "peer2", role: "listener" });
  // The name in a token wins.
  await expect(guest.page.getByRole("article", { name: /^Ada L\./ })).toBeVisible(PATIENCE);
  await guest.sees("peer1");
  await guest.hears("peer1");
  await guest.isTold("You are listening");
  await expect(host.tile("peer2")).toHaveAttribute("data-role", "listener", PATIENCE);
  await expect(host.tile("peer2")).toHaveAttribute("data-video", "false");
  await host.does("Let speak", "peer2");
  await guest.isTold("You may speak");
  await guest.press("m");
  await guest.press("v");
  await expectFullMeeting([host, guest]);
  await guest.canWrite();
  expect([...host.errors, ...guest.errors]).toEqual([]);
});

test("nobody comes in without a token, with one for elsewhere, or with an old one", async ({ browser }) => {
  const refused = /This link does not let you in|You are out of the meeting|You could not join/;
  for (const claims of [undefined, { room: "elsewhere" }, { room: "guarded", exp: -600 }]) {
    const visitor = await arrive(browser, "peer3", claims, "out");
    await expect(visitor.page.getByRole("alert")).toContainText(refused, PATIENCE);
    await visitor.close();
  }
});
