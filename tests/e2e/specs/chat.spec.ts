// What people write to each other: over data channels, through the server's workers.

import { type Browser, expect, test } from "@playwright/test";
import { type Channel, counted, load, receive } from "../support/channels";
import { keepEvidence } from "../support/evidence";
import { Hall, type Worker } from "../support/hall";
import { Link } from "../support/throttle";
import { PATIENCE, Visitor } from "../support/visitor";

let hall: Hall;
let visitors: Visitor[] = [];

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of visitors) await visitor.close();
  visitors = [];
  await hall?.stop();
});

// The first one goes over the link.
async function arrive(
  browser: Browser,
  peers: string[],
  params: Record<string, string> = {},
  link?: Link,
): Promise<Visitor[]> {
  for (const [index, peer] of peers.entries()) {
    const way = index === 0 && link ? { link } : {};
    visitors.push(await Visitor.arrive(browser, hall, { room: "chat", peer, params, ...way }));
  }
  for (const visitor of visitors) {
    await visitor.canWrite();
    await visitor.openChat();
  }
  return visitors;
}

async function expectLines(visitor: Visitor, expected: string[]): Promise<void> {
  await expect
    .poll(async () => (await visitor.lines()).filter((line) => !line.includes("ready")), {
      ...PATIENCE,
      message: `the chat of ${visitor.peer}`,
    })
    .toEqual(expected);
}

// What one writes before the other one has its half of the channel is read by nobody: says something until it is.
async function expectReaders(writer: Visitor, readers: Visitor[]): Promise<void> {
  await expect(async () => {
    await writer.writes("ready?");
    for (const reader of readers) {
      await expect
        .poll(async () => (await reader.lines()).includes(`${writer.peer}: ready?`), { timeout: 1_000 })
        .toBe(true);
    }
  }).toPass(PATIENCE);
}

for (const [name, workers, settings] of [
  ["one worker", 1, {}],
  // Everybody has a place of his own.
  ["several workers", 3, { "workers.max_room_consumers": 1 }],
] as const) {
  test(`what one writes the others read, on ${name}`, async ({ browser }) => {
    hall = await Hall.open(workers, settings);
    const [one, two, three] = (await arrive(browser, ["peer1", "peer2", "peer3"])) as [
      Visitor,
      Visitor,
      Visitor,
    ];
    await expectReaders(one, [two, three]);
    await expectReaders(two, [one, three]);
    await expectReaders(three, [one, two]);

    await one.writes("hello");
    await expectLines(two, ["peer1: hello"]);
    await two.writes("how are you?\nwell?");
    const talk = ["peer1: hello", "peer2: how are you?\nwell?"];
    for (const visitor of visitors) await expectLines(visitor, talk);

    await three.press("Escape");
    await expect(three.page.getByTestId("chat")).toHaveCount(0);
    await one.writes("<b>not bold</b>");
    await expect(three.page.getByTestId("unread")).toHaveText("1", PATIENCE);
    await three.openChat();
    await expectLines(three, [...talk, "peer1: <b>not bold</b>"]);
    await expect(three.page.getByTestId("unread")).toHaveCount(0);

    await two.writes("@bot are you there?");
    const answer = 'bot: peer2 said me: "are you there?"';
    for (const visitor of visitors) {
      const asked = visitor === two ? ["peer2: @bot are you there?"] : [];
      await expectLines(visitor, [...talk, "peer1: <b>not bold</b>", ...asked, answer]);
      expect(visitor.errors).toEqual([]);
    }
  });
}

async function move(worker: Worker): Promise<void> {
  await hall.drain(worker);
  await expect.poll(async () => (await hall.workerOf("chat")).workerId, PATIENCE).not.toBe(worker.workerId);
}

for (const [name, end] of [
  ["the worker is gone", async (worker: Worker) => hall.strike(worker, "SIGKILL")],
  ["the room moves", move],
] as const) {
  test(`the chat goes on when ${name}`, async ({ browser }) => {
    hall = await Hall.open(2);
    const [one, two] = (await arrive(browser, ["peer1", "peer2"])) as [Visitor, Visitor];
    await expectReaders(one, [two]);
    await one.writes("before");
    await expectLines(two, ["peer1: before"]);
    await end(await hall.workerOf("chat"));
    for (const [writer, reader] of [
      [one, two],
      [two, one],
    ] as const) {
      await expect
        .poll(async () => {
          await writer.writes("after");
          return (await reader.lines()).includes(`${writer.peer}: after`);
        }, PATIENCE)
        .toBe(true);
    }
    expect((await two.lines()).filter((line) => !line.includes("ready"))[0]).toBe("peer1: before");
    for (const { errors } of visitors) expect(errors).toEqual([]);
  });
}

const MESSAGES = 10_000;

const ORDERED: Channel = { label: "ordered", ordered: true };
const UNORDERED: Channel = { label: "unordered", ordered: false };

// What the load goes through at one of the two, in both directions.
const LOSSY = { loss: 0.02, delayMs: 15 };

for (const [name, channel, shape] of [
  ["in order", ORDERED, undefined],
  ["in any order", UNORDERED, undefined],
  ["in order and with loss", ORDERED, LOSSY],
] as const) {
  test(`ten thousand messages each way, ${name}, and none is lost`, async ({ browser }) => {
    hall = await Hall.open();
    const link = shape && new Link({ up: shape, down: shape });
    const [one, two] = (await arrive(browser, ["peer1", "peer2"], { camera: "0", mic: "0" }, link)) as [
      Visitor,
      Visitor,
    ];
    await expectReaders(one, [two]);
    await expectReaders(two, [one]);
    for (const { page } of visitors) await page.evaluate(receive, channel.label);
    await Promise.all(visitors.map(({ page }) => page.evaluate(load, { channel, messages: MESSAGES })));
    for (const { page, errors } of visitors) {
      const received = () => page.evaluate(counted);
      await expect.poll(async () => (await received()).count, { timeout: 60_000 }).toBe(MESSAGES);
      const { distinct, inOrder } = await received();
      expect(distinct).toBe(MESSAGES);
      if (channel.ordered) expect(inOrder).toBe(true);
      expect(errors).toEqual([]);
    }
    if (link) expect(link.counts("up").lost + link.counts("down").lost).toBeGreaterThan(20);
    link?.close();
  });
}
