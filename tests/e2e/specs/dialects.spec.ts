// Real clients of mediasoup-demo's protocols, old and new, with media both ways: what is said on the wire is what was said
// when the transcripts were recorded.

import { type Browser, expect, test, type WebSocket } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { Stranger } from "../support/stranger";
import { compare } from "../support/transcript";
import { PATIENCE } from "../support/visitor";

let hall: Hall;
let guests: Stranger[] = [];

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const guest of guests) await guest.close();
  guests = [];
  await hall?.stop();
});

type Dialect = "classic" | "newest";

interface Program {
  dialect: Dialect;
  version: string;
  asksForStatsUrl: boolean;
}

// The part of the page program that is used here.
interface Handle {
  ask(method: string, data: object): Promise<unknown>;
  order(method: string, data: object): Promise<void>;
  say(label: string, text: string): void;
  restartIce(which: string): Promise<void>;
  track(kind: string): MediaStreamTrack | undefined;
  consumer(kind: string): { id: string };
  leave(): void;
  own: Record<string, { id: string; readyState?: string }>;
  transports: Record<string, { id: string }>;
  channels: Map<string, { id: string; label: string; readyState: string }>;
  consumers: Map<string, unknown>;
  heard: string[];
  closed: string[];
  errors: string[];
}

type InPage = { client: Handle };

class Guest extends Stranger {
  static async arrive(browser: Browser, program: Program, peer: string): Promise<Guest> {
    const guest = new Guest(peer, ...(await Stranger.open(browser, peer)));
    guests.push(guest);
    guest.page.on("websocket", (socket) => guest.#listen(socket));
    const query = new URLSearchParams({ roomId: "room", peerId: peer });
    if (program.dialect === "newest") query.set("usePipeTransports", "false");
    await guest.start(hall, "protoo", program.version, {
      dialect: program.dialect,
      url: `ws://127.0.0.1:${hall.port}/?${query}`,
      name: peer,
      asksForStatsUrl: program.asksForStatsUrl,
    });
    return guest;
  }

  async ask(method: string, data: object): Promise<void> {
    await this.page.evaluate(([of, what]) => (window as unknown as InPage).client.ask(of, what), [
      method,
      data,
    ] as const);
  }

  async order(method: string, data: object): Promise<void> {
    await this.page.evaluate(([of, what]) => (window as unknown as InPage).client.order(of, what), [
      method,
      data,
    ] as const);
  }

  async says(label: string, text: string): Promise<void> {
    await this.page.evaluate(([to, what]) => (window as unknown as InPage).client.say(to, what), [
      label,
      text,
    ] as const);
  }

  async heard(): Promise<string[]> {
    return this.page.evaluate(() => (window as unknown as InPage).client.heard);
  }

  // Identifiers that the requests of a session need.
  async ids(): Promise<Record<string, string>> {
    return this.page.evaluate(() => {
      const { client } = window as unknown as InPage;
      const channel = [...client.channels.values()].find(({ label }) => label === "chat");
      return {
        send: client.transports.send?.id ?? "",
        audio: client.own.audio?.id ?? "",
        video: client.own.video?.id ?? "",
        chat: client.own.chat?.id ?? "",
        heard: client.consumer("audio").id,
        seen: client.consumer("video").id,
        read: channel?.id ?? "",
      };
    });
  }

  #listen(socket: WebSocket): void {
    const read = (from: "client" | "server", payload: string | Buffer): void => {
      const message = JSON.parse(payload.toString());
      const { id, method, data } = message;
      if (message.request) this.recorder.request(from, id, method, data);
      else if (message.notification) this.recorder.notice(from, method, data);
      else {
        const to = from === "client" ? "server" : "client";
        this.recorder.answer(to, id, message.ok ? data : message, !message.ok);
      }
    };
    socket.on("framesent", ({ payload }) => read("client", payload));
    socket.on("framereceived", ({ payload }) => read("server", payload));
  }
}

// Both have both channels of the other one and of the bot, and their own.
async function expectChannels(guest: Guest): Promise<void> {
  await expect
    .poll(
      () =>
        guest.page.evaluate(() => {
          const { channels, own } = (window as unknown as InPage).client;
          const open = [...channels.values(), own.chat, own.bot].filter((one) => one?.readyState === "open");
          return open.length;
        }),
      { ...PATIENCE, message: `channels of ${guest.peer}` },
    )
    .toBe(4);
}

// The unordered chat of the classic protocol may lose what is written before the other half is open.
async function expectToRead(writer: Guest, reader: Guest, label: string, line: string): Promise<void> {
  await expect(async () => {
    await writer.says(label, "hello");
    await expect.poll(async () => (await reader.heard()).includes(line), { timeout: 1_000 }).toBe(true);
  }).toPass(PATIENCE);
}

const VERSIONS: Program[] = [
  { dialect: "classic", version: "3.7.17", asksForStatsUrl: false },
  { dialect: "classic", version: "3.16.5", asksForStatsUrl: false },
  { dialect: "newest", version: "3.16.5", asksForStatsUrl: false },
  { dialect: "newest", version: "3.20.0", asksForStatsUrl: true },
  { dialect: "newest", version: "3.24.1", asksForStatsUrl: true },
];

for (const program of VERSIONS) {
  const { dialect, version } = program;
  test(`${dialect}, with mediasoup-client ${version}`, async ({ browser }) => {
    hall = await Hall.open();
    const one = await Guest.arrive(browser, program, "peer1");
    const two = await Guest.arrive(browser, program, "peer2");
    const entering = two.recorder.order.slice(0, two.recorder.order.indexOf("join") + 1);
    await one.meets("peer2");
    await two.meets("peer1");
    await expectChannels(one);
    await expectChannels(two);
    await expectToRead(one, two, "chat", "peer1: hello");
    // Each server's bot speaks in its own way.
    const told = dialect === "newest" ? "told me: 'hello'" : 'said me: "hello"';
    await expectToRead(two, one, "bot", `bot: peer2 ${told}`);

    const [mine, theirs] = [await one.ids(), await two.ids()];
    await one.ask("getTransportStats", { transportId: mine.send });
    await one.ask("getProducerStats", { producerId: mine.audio });
    await one.ask("getProducerStats", { producerId: mine.video });
    await two.ask("getConsumerStats", { consumerId: theirs.heard });
    await two.ask("getConsumerStats", { consumerId: theirs.seen });
    await one.ask("getDataProducerStats", { dataProducerId: mine.chat });
    await two.ask("getDataConsumerStats", { dataConsumerId: theirs.read });
    await one.page.evaluate(() => (window as unknown as InPage).client.restartIce("send"));

    await two.order("setConsumerPreferredLayers", {
      consumerId: theirs.seen,
      spatialLayer: 0,
      temporalLayer: 0,
    });
    await two.noted("server says consumerLayersChanged");
    await two.order("setConsumerPriority", { consumerId: theirs.seen, priority: 2 });
    await two.order("requestConsumerKeyFrame", { consumerId: theirs.seen });
    await two.order("pauseConsumer", { consumerId: theirs.heard });
    await two.order("resumeConsumer", { consumerId: theirs.heard });
    await one.order("changeDisplayName", { displayName: "somebody" });
    await two.noted("server says peerDisplayNameChanged");
    await one.order("pauseProducer", { producerId: mine.audio });
    await two.noted("server says consumerPaused");
    await one.order("resumeProducer", { producerId: mine.audio });
    await two.noted("server says consumerResumed");
    await one.noted("server says producerScore");
    await two.noted("server says consumerScore");
    await two.noted("server says activeSpeaker");
    if (dialect === "newest") await two.noted("server says speakingPeers");
    await two.meets("peer1");
    await one.order("closeProducer", { producerId: mine.video });
    await two.noted("server says consumerClosed");
    await expect(two.ask("getProducerStats", { producerId: "nothing" })).rejects.toThrow("not found");
    for (const guest of [one, two]) {
      expect(await guest.page.evaluate(() => (window as unknown as InPage).client.errors)).toEqual([]);
    }
    await one.page.evaluate(() => (window as unknown as InPage).client.leave());
    await two.noted("server says peerClosed");
    await two.noted("server says dataConsumerClosed");
    expect(compare(`${dialect}-${version}`, [one.recorder, two.recorder], entering)).toEqual([]);
  });
}
