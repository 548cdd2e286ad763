import type { types } from "mediasoup-client";
import { beforeEach, describe, expect, it } from "vitest";
import { chatShown } from "../store/chat";
import { joined, left } from "../store/state";
import { createPageStore, type Store } from "../store/store";
import { type Channel, Chat, MAX_LINE } from "./chat";

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
  let store: Store;
  let chat: Chat;
  let made: Map<Channel, FakeProducer>;
  let close: () => void;

  const open = async (): Promise<void> => {
    made = new Map();
    close = chat.open(async (channel) => {
      const producer = new FakeProducer();
      made.set(channel, producer);
      return producer as unknown as types.DataProducer;
    });
    await settled();
  };
  const shown = (): [string | undefined, string, boolean][] =>
    store.getState().chat.lines.map(({ peerId, text, waiting }) => [peerId, text, waiting]);

  beforeEach(() => {
    store = createPageStore("room", { id: "me", name: "Me" });
    store.setState(joined([{ id: "ada", name: "Ada" }]));
    chat = new Chat(store);
  });

  it("is ready to be read before anything is written, and not for the bot", async () => {
    await open();
    expect([...made.keys()]).toEqual(["chat"]);
    expect(store.getState().chat.usable).toBe("connecting");
    await made.get("chat")?.open();
    expect(store.getState().chat.usable).toBe("yes");
  });

  it("keeps what is written until it can leave, in order", async () => {
    chat.say(" one ");
    await open();
    chat.say("two");
    chat.say("   ");
    expect(shown()).toEqual([
      ["me", "one", true],
      ["me", "two", true],
    ]);
    await made.get("chat")?.open();
    expect(made.get("chat")?.sent).toEqual(["one", "two"]);
    expect(shown().map(([, , waiting]) => waiting)).toEqual([false, false]);
  });

  it("sends nothing twice when a session follows another one", async () => {
    await open();
    await made.get("chat")?.open();
    chat.say("one");
    await settled();
    const before = made;
    close();
    chat.say("two");
    await open();
    await made.get("chat")?.open();
    expect(before.get("chat")?.sent).toEqual(["one"]);
    expect(made.get("chat")?.sent).toEqual(["two"]);
  });

  it("is not closed by a session that has been followed by another one", async () => {
    await open();
    const earlier = close;
    await open();
    await made.get("chat")?.open();
    earlier();
    chat.say("one");
    await settled();
    expect(made.get("chat")?.sent).toEqual(["one"]);
  });

  it("tells the bot what is for the bot, and nobody else", async () => {
    await open();
    await made.get("chat")?.open();
    chat.say("@bot: are you there?");
    await settled();
    await made.get("bot")?.open();
    expect(made.get("bot")?.sent).toEqual(["are you there?"]);
    expect(made.get("chat")?.sent).toEqual([]);
    expect(store.getState().chat.lines[0]?.toBot).toBe(true);
    chat.say("@bottle is no bot");
    await settled();
    expect(made.get("chat")?.sent).toEqual(["@bottle is no bot"]);
  });

  it("shows what people and the bot write, and counts what nobody has seen", () => {
    chat.heard("ada", "hello");
    chat.heard(null, "Ada said me: hi");
    chat.heard("stranger", "who am I?");
    chat.heard("ada", new ArrayBuffer(4));
    chat.heard("ada", "x".repeat(MAX_LINE + 1));
    expect(store.getState().chat.lines.map(({ name }) => name)).toEqual(["Ada", "Bot", "Ada"]);
    expect(shown()[2]?.[1]).toHaveLength(MAX_LINE);
    expect(store.getState().chat.unread).toBe(3);
    expect(store.getState().announcement).toContain("Ada writes: x");
    store.setState(chatShown(true));
    chat.heard("ada", "seen");
    expect(store.getState().chat.unread).toBe(0);
    store.setState(left());
    expect(shown()).toEqual([]);
  });

  it("remembers so many lines and no more", () => {
    for (let line = 0; line < 600; line += 1) chat.heard("ada", String(line));
    expect(shown()).toHaveLength(500);
    expect(shown().at(-1)?.[1]).toBe("599");
  });

  it("says when a server has no data channels", () => {
    chat.unusable();
    expect(store.getState().chat.usable).toBe("no");
  });
});
