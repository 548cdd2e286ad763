import type { types } from "mediasoup-client";
import { beforeEach, describe, expect, it } from "vitest";
import { Chat, type ChatChannel, MAX_LINE } from "./chat.js";

// A channel that opens when told so.
class FakeProducer {
  readyState = "connecting";
  closed = false;
  readonly sent: string[] = [];
  readonly #handlers = new Map<string, () => void>();

  on(event: string, handler: () => void): void {
    this.#handlers.set(event, handler);
  }

  async open(): Promise<void> {
    this.readyState = "open";
    this.#handlers.get("open")?.();
    await settled();
  }

  send(text: string): void {
    this.sent.push(text);
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

describe("the chat", () => {
  let chat: Chat;
  let made: Map<ChatChannel, FakeProducer>;
  let sent: number[];

  const open = async (): Promise<void> => {
    made = new Map();
    chat.ready(async ({ label }) => {
      const producer = new FakeProducer();
      made.set(label as ChatChannel, producer);
      return producer as unknown as types.DataProducer;
    });
    await settled();
  };

  beforeEach(() => {
    chat = new Chat();
    sent = [];
    chat.on("sent", (id) => sent.push(id));
  });

  it("is ready to be read before anything is written, and not for the bot", async () => {
    await open();
    expect([...made.keys()]).toEqual(["chat"]);
    expect(chat.usable).toBe("connecting");
    await made.get("chat")?.open();
    expect(chat.usable).toBe("yes");
  });

  it("keeps what is written until it can leave, in order", async () => {
    const one = chat.send("one");
    await open();
    const two = chat.send("two");
    expect(sent).toEqual([]);
    await made.get("chat")?.open();
    expect(made.get("chat")?.sent).toEqual(["one", "two"]);
    expect(sent).toEqual([one, two]);
  });

  it("sends nothing twice when a session follows another one", async () => {
    await open();
    await made.get("chat")?.open();
    chat.send("one");
    await settled();
    const before = made;
    chat.ready(undefined);
    chat.send("two");
    await open();
    await made.get("chat")?.open();
    expect(before.get("chat")?.sent).toEqual(["one"]);
    expect(made.get("chat")?.sent).toEqual(["two"]);
  });

  it("tells the bot what is for the bot, and nobody else", async () => {
    await open();
    await made.get("chat")?.open();
    chat.send("are you there?", "bot");
    await settled();
    await made.get("bot")?.open();
    expect(made.get("bot")?.sent).toEqual(["are you there?"]);
    expect(made.get("chat")?.sent).toEqual([]);
  });

  it("hears people and the bot, and leaves other channels to the application", () => {
    const heard: [string, string | null][] = [];
    chat.on("message", (text, peerId) => heard.push([text, peerId]));
    expect(chat.heard({ peerId: "ada", label: "chat", message: "hello" })).toBe(true);
    expect(chat.heard({ peerId: null, label: "bot", message: "Ada said me: hi" })).toBe(true);
    expect(chat.heard({ peerId: "ada", label: "chat", message: new ArrayBuffer(4) })).toBe(true);
    expect(chat.heard({ peerId: "ada", label: "pointer", message: "1 2" })).toBe(false);
    chat.heard({ peerId: "ada", label: "chat", message: "x".repeat(MAX_LINE + 1) });
    expect(heard.map(([text, peerId]) => [text.length, peerId])).toEqual([
      [5, "ada"],
      [15, null],
      [MAX_LINE, "ada"],
    ]);
  });

  it("says when nothing can be written", () => {
    chat.ready("never");
    expect(chat.usable).toBe("no");
  });
});
