// A client of the Socket.IO protocol of mediasoup-sfu-webrtc-video-rooms, with media both ways: what is said on the wire is
// what was said when the transcript was recorded.

import { type Browser, expect, type Response, test, type WebSocket } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { Stranger } from "../support/stranger";
import { compare, type Json } from "../support/transcript";
import { PATIENCE } from "../support/visitor";

const VERSION = "3.7.17";

let hall: Hall;
let guests: Guest[] = [];

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const guest of guests) await guest.close();
  guests = [];
  await hall?.stop();
});

// The part of the page program that is used here.
interface InPage {
  client: {
    ask(event: string, data?: object): Promise<unknown>;
    stop(kind: string): void;
    socket: { emit(event: string): void; disconnect(): void };
    consumers: Map<string, unknown>;
    errors: string[];
  };
}

class Guest extends Stranger {
  static async arrive(browser: Browser, name: string): Promise<Guest> {
    const guest = new Guest(name, ...(await Stranger.open(browser, name)));
    guests.push(guest);
    guest.page.on("websocket", (socket) => guest.#listen(socket));
    // It begins with requests that wait, and goes over to a WebSocket.
    guest.page.on("response", (response) => guest.#read(response));
    await guest.start(hall, "rooms", VERSION, { room: "room", name });
    return guest;
  }

  async ask(event: string, data: object = {}): Promise<unknown> {
    return this.page.evaluate(([of, what]) => (window as unknown as InPage).client.ask(of, what), [
      event,
      data,
    ] as const);
  }

  async consumers(): Promise<number> {
    return this.page.evaluate(() => (window as unknown as InPage).client.consumers.size);
  }

  #listen(socket: WebSocket): void {
    socket.on("framesent", ({ payload }) => this.#packet("client", payload.toString()));
    socket.on("framereceived", ({ payload }) => this.#packet("server", payload.toString()));
  }

  async #read(response: Response): Promise<void> {
    const request = response.request();
    if (!request.url().includes("transport=polling")) return;
    for (const packet of (request.postData() ?? "").split(SEPARATOR)) this.#packet("client", packet);
    const body = await response.text().catch(() => "");
    for (const packet of body.split(SEPARATOR)) this.#packet("server", packet);
  }

  // Engine.IO 4 with Socket.IO 5 in it: events with or without a number to be acknowledged under.
  #packet(from: "client" | "server", text: string): void {
    const [, kind, id, json] = /^4([023])(\d*)(.*)$/s.exec(text) ?? [];
    if (kind === undefined || json === undefined) return;
    const data: Json = json === "" ? {} : JSON.parse(json);
    if (kind === "0") this.recorder.notice(from, "connect", data);
    else if (Array.isArray(data) && kind === "2") {
      const [event, what] = data;
      if (id) this.recorder.request(from, id, String(event), what);
      else this.recorder.notice(from, String(event), what);
    } else if (Array.isArray(data)) {
      const to = from === "client" ? "server" : "client";
      const [answer] = data;
      const failed = typeof answer === "object" && answer !== null && "error" in answer;
      this.recorder.answer(to, id ?? "", answer, failed);
    }
  }
}

const SEPARATOR = "\x1e";

test(`rooms over Socket.IO, with mediasoup-client ${VERSION}`, async ({ browser }) => {
  hall = await Hall.open();
  const one = await Guest.arrive(browser, "peer1");
  const two = await Guest.arrive(browser, "peer2");
  const entering = two.recorder.order.slice(0, 5);
  await one.meets("peer2");
  await two.meets("peer1");
  await one.noted("server says newProducers");
  expect(await one.consumers()).toBe(2);

  const info = (await two.ask("getMyRoomInfo")) as { id: string; peers: string };
  expect(info.id).toBe("room");
  expect(JSON.parse(info.peers)).toHaveLength(2);
  await expect(two.ask("join", { room_id: "nowhere", name: "x" })).rejects.toThrow("already in a room");
  await one.page.evaluate(() => (window as unknown as InPage).client.stop("video"));
  await two.noted("server says consumerClosed");
  await expect.poll(() => two.consumers(), PATIENCE).toBe(1);
  // Who leaves takes everything along, and may come again.
  expect(await one.ask("exitRoom")).toBe("successfully exited room");
  await expect.poll(() => two.consumers(), PATIENCE).toBe(0);
  await expect(one.ask("exitRoom")).rejects.toThrow("not currently in a room");
  expect(await one.ask("createRoom", { room_id: "room" })).toBe("already exists");
  await one.ask("join", { room_id: "room", name: "again" });
  await two.page.evaluate(() => (window as unknown as InPage).client.socket.disconnect());
  for (const guest of guests) {
    expect(await guest.page.evaluate(() => (window as unknown as InPage).client.errors)).toEqual([]);
  }
  expect(compare("rooms", [one.recorder, two.recorder], entering)).toEqual([]);
});

test("the script that pages load is there", async ({ request }) => {
  hall = await Hall.open();
  const script = await request.get(`${hall.url}/socket.io/socket.io.js`);
  expect(script.status()).toBe(200);
  expect(script.headers()["content-type"]).toContain("javascript");
  expect(await script.text()).toContain("Socket.IO");
});
