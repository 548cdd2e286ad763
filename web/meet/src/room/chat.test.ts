import { type Chat as Channel, type ChatEvents, Emitter, MAX_LINE } from "@plenum/client";
import { beforeEach, describe, expect, it } from "vitest";
import { chatShown } from "../store/chat";
import { joined, left, peerJoined } from "../store/state";
import { createPageStore, type Store } from "../store/store";
import { Chat } from "./chat";

class FakeChannel extends Emitter<ChatEvents> {
  readonly said: string[] = [];

  send(text: string, channel = "chat"): number {
    return this.said.push(`${channel}: ${text}`);
  }

  tell<K extends keyof ChatEvents>(name: K, ...args: ChatEvents[K]): void {
    this.emit(name, ...args);
  }
}

describe("the lines of the chat", () => {
  let store: Store;
  let channel: FakeChannel;
  let chat: Chat;

  const shown = (): [string | undefined, string, boolean][] =>
    store.getState().chat.lines.map(({ peerId, text, waiting }) => [peerId, text, waiting]);

  beforeEach(() => {
    store = createPageStore("room", { id: "me", name: "Me" });
    store.setState(peerJoined({ id: "ada", name: "Ada", role: "speaker", hand: false }));
    store.setState(joined());
    channel = new FakeChannel();
    chat = new Chat(store, channel as unknown as Channel);
  });

  it("are grey until they are on their way", () => {
    chat.say(" one ");
    chat.say("   ");
    chat.say("two");
    expect(channel.said).toEqual(["chat: one", "chat: two"]);
    channel.tell("sent", 1);
    expect(shown()).toEqual([
      ["me", "one", false],
      ["me", "two", true],
    ]);
  });

  it("go to the bot alone when they begin with its name", () => {
    chat.say("@bot: are you there?");
    chat.say("@bottle is no bot");
    expect(channel.said).toEqual(["bot: are you there?", "chat: @bottle is no bot"]);
    expect(store.getState().chat.lines[0]?.toBot).toBe(true);
  });

  it("are those of people and of the bot, and counted while nobody looks", () => {
    channel.tell("message", "hello", "ada");
    channel.tell("message", "Ada said me: hi", null);
    channel.tell("message", "who am I?", "stranger");
    expect(store.getState().chat.lines.map(({ name }) => name)).toEqual(["Ada", "Bot"]);
    expect(store.getState().chat.unread).toBe(2);
    store.setState(chatShown(true));
    channel.tell("message", "seen", "ada");
    expect(store.getState().chat.unread).toBe(0);
    store.setState(left());
    expect(shown()).toEqual([]);
  });

  it("are so many and no more, and no longer than that", () => {
    for (let line = 0; line < 600; line += 1) channel.tell("message", String(line), "ada");
    expect(shown()).toHaveLength(500);
    expect(shown().at(-1)?.[1]).toBe("599");
    chat.say("x".repeat(MAX_LINE + 1));
    expect(shown().at(-1)?.[1]).toHaveLength(MAX_LINE);
  });

  it("say whether they can leave", () => {
    channel.tell("usable", "no");
    expect(store.getState().chat.usable).toBe("no");
  });
});
