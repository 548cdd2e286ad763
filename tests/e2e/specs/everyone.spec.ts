// One room, and somebody by each of its doors: everybody receives everybody whom they may.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type Browser, expect, type Page, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { Stranger } from "../support/stranger";
import { PATIENCE, Visitor } from "../support/visitor";
import { HttpPeer } from "../support/whip";

// Seven who send and four who receive all of them, on few cores.
const CROWDED = { ...PATIENCE, timeout: 60_000 };
const ROOM = "plenary";
const SENDERS = ["classic", "newest", "rooms", "meet", "encoder", "bridge", "ffmpeg"];

const EXAMPLES = new URL("../../../examples/", import.meta.url).pathname;
const BRIDGE =
  process.env.PLENUM_BRIDGE ?? new URL("../../../target/debug/examples/bridge", import.meta.url).pathname;

let hall: Hall;
const programs: ChildProcess[] = [];
const strangers: Stranger[] = [];
const machines: HttpPeer[] = [];

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const stranger of strangers) await stranger.close();
  for (const machine of machines) await machine.close();
  for (const visitor of Visitor.present) await visitor.close();
  for (const program of programs) program.kill("SIGKILL");
  await hall?.stop();
});

type Connections = { connections: RTCPeerConnection[] };

// Runs in each page before its own scripts: what it connects by can be asked later.
function keepConnections(): void {
  const kept: RTCPeerConnection[] = [];
  Object.assign(globalThis, { connections: kept });
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args: ConstructorParameters<typeof RTCPeerConnection>) {
      super(...args);
      kept.push(this);
    }
  };
}

// How many sounds and how many pictures come in.
async function received(page: Page): Promise<[number, number]> {
  return page.evaluate(async () => {
    const counts: [number, number] = [0, 0];
    for (const connection of (globalThis as unknown as Connections).connections) {
      const report = await connection.getStats();
      for (const entry of report.values()) {
        if (entry.type !== "inbound-rtp") continue;
        if (entry.kind === "audio" && entry.packetsReceived > 0) counts[0] += 1;
        if (entry.kind === "video" && entry.framesDecoded > 0) counts[1] += 1;
      }
    }
    return counts;
  });
}

class Guest extends Stranger {
  static async arrive(
    browser: Browser,
    name: string,
    program: [file: string, mediasoupClient: string],
    arrival: object,
  ): Promise<Guest> {
    const guest = new Guest(name, ...(await Stranger.open(browser, name)));
    strangers.push(guest);
    await guest.page.addInitScript(keepConnections);
    await guest.start(hall, ...program, arrival);
    return guest;
  }
}

function run(command: string, args: string[]): ChildProcess {
  const program = spawn(command, args, { stdio: ["pipe", "inherit", "inherit"] });
  programs.push(program);
  return program;
}

test("everybody receives everybody, whatever door they came through", async ({ browser }) => {
  test.setTimeout(240_000);
  if (!existsSync(BRIDGE)) throw new Error(`${BRIDGE} is missing: cargo build -p plenum --example bridge`);
  // The broadcaster's transports have ports of their own.
  hall = await Hall.open(1, { "rtc.ports_per_worker": 16 });
  const url = `ws://127.0.0.1:${hall.port}/?roomId=${ROOM}`;
  const classic = await Guest.arrive(browser, "classic", ["protoo", "3.7.17"], {
    dialect: "classic",
    url: `${url}&peerId=classic`,
    name: "classic",
    asksForStatsUrl: false,
  });
  const newest = await Guest.arrive(browser, "newest", ["protoo", "3.24.1"], {
    dialect: "newest",
    url: `${url}&peerId=newest&usePipeTransports=false`,
    name: "newest",
    asksForStatsUrl: true,
  });
  const rooms = await Guest.arrive(browser, "rooms", ["rooms", "3.7.17"], { room: ROOM, name: "rooms" });
  const meet = await Visitor.arrive(browser, hall, {
    room: ROOM,
    peer: "meet",
    prepare: async (page) => {
      await page.addInitScript(keepConnections);
    },
  });
  const encoder = await HttpPeer.publishes(browser, hall, ROOM, "encoder");
  machines.push(encoder);
  expect(encoder.made.status).toBe(201);
  // A stack that shares no code with the node or the browser plays one of them and publishes that again.
  const bridge = run(BRIDGE, [`${hall.url}/whep/${ROOM}/classic`, `${hall.url}/whip/${ROOM}?peer=bridge`]);
  const broadcast = run(`${EXAMPLES}broadcast-ffmpeg.sh`, ["--room", ROOM, "--server", hall.url]);

  const others = SENDERS.length - 1;
  for (const { peer, page } of [classic, newest, rooms, meet]) {
    await expect.poll(() => received(page), { ...CROWDED, message: peer }).toEqual([others, others]);
  }
  // Pictures that are whose they are said to be.
  for (const peer of ["classic", "newest", "encoder"]) {
    await meet.sees(peer);
    await meet.hears(peer);
  }
  for (const peer of ["classic", "newest", "meet", "encoder"]) {
    const player = await HttpPeer.plays(browser, hall, `/whep/${ROOM}/${peer}`);
    expect(player.made.status).toBe(201);
    await player.sees(peer);
    await player.hears(peer);
    await player.close();
  }
  const player = await HttpPeer.plays(browser, hall, `/whep/${ROOM}/bridge`);
  machines.push(player);
  await player.sees("classic");

  bridge.stdin?.end();
  await once(bridge, "exit");
  expect(bridge.exitCode).toBe(0);
  broadcast.kill("SIGINT");
  await once(broadcast, "exit");
  const left = others - 2;
  await expect(meet.page.getByTestId("count")).toHaveText(String(left + 1), CROWDED);
});
