// What ffmpeg publishes over plain RTP, by the example that does so, in a meeting and by WHEP.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { PATIENCE, Visitor } from "../support/visitor";
import { HttpPeer } from "../support/whip";

const SCRIPT = new URL("../../../examples/broadcast-ffmpeg.sh", import.meta.url).pathname;
// Sound and picture have a transport each, with a port for RTP and one for RTCP.
const PORTS = 8;

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open(1, { "rtc.ports_per_worker": PORTS });
});

test.afterAll(() => hall?.stop());

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

test("what ffmpeg broadcasts is seen in the meeting and by WHEP until it ends", async ({ browser }) => {
  const room = "broadcast";
  const one = await Visitor.arrive(browser, hall, { room, peer: "peer1" });
  const script = spawn(SCRIPT, ["--room", room, "--server", hall.url], { stdio: "inherit" });
  try {
    const tile = one.page.locator('[data-testid=tile][data-peer^="ffmpeg-"]');
    await expect(tile).toHaveCount(1, PATIENCE);
    const peer = (await tile.getAttribute("data-peer")) ?? "";
    await expect.poll(() => one.width(peer), PATIENCE).toBe(640);
    const before = await one.framesDecoded(peer);
    await expect.poll(() => one.framesDecoded(peer), PATIENCE).toBeGreaterThan(before + 50);

    const player = await HttpPeer.plays(browser, hall, `/whep/${room}/${peer}`);
    expect(player.made.status).toBe(201);
    await expect.poll(() => player.framesDecoded(), PATIENCE).toBeGreaterThan(50);
    await player.close();

    const ended = once(script, "exit");
    script.kill("SIGINT");
    await ended;
    await expect(tile).toHaveCount(0, PATIENCE);
  } finally {
    script.kill("SIGTERM");
  }
  await one.close();
});
