// The lines of the chat, as the page shows them.

import { type Chat as Channel, MAX_LINE } from "@plenum/client";
import { chatUsable, lineAdded, lineSent } from "../store/chat";
import type { Store } from "../store/store";

// "@bot hello" is for the room's bot alone.
const TO_BOT = /^@bot\b[\s,:]*/i;

export class Chat {
  readonly #store: Store;
  readonly #channel: Pick<Channel, "send" | "on">;
  // Of one's own, on their way: their numbers in the channel and on the page.
  readonly #waiting = new Map<number, number>();
  #next = 0;

  constructor(store: Store, channel: Pick<Channel, "send" | "on">) {
    this.#store = store;
    this.#channel = channel;
    channel.on("message", (text, peerId) => this.#heard(peerId, text));
    channel.on("usable", (state) => store.setState(chatUsable(state)));
    channel.on("sent", (sent) => {
      const line = this.#waiting.get(sent);
      this.#waiting.delete(sent);
      if (line !== undefined) store.setState(lineSent(line));
    });
  }

  say(written: string): void {
    const text = written.trim().slice(0, MAX_LINE);
    if (!text) return;
    const toBot = TO_BOT.test(text);
    const { me } = this.#store.getState();
    const line = this.#line({ peerId: me.id, name: me.name, text, toBot, waiting: true });
    const sent = this.#channel.send(toBot ? text.replace(TO_BOT, "") : text, toBot ? "bot" : "chat");
    this.#waiting.set(sent, line);
  }

  // `peerId` is null for the bot.
  #heard(peerId: string | null, text: string): void {
    const peer = this.#store.getState().peers.find(({ id }) => id === peerId);
    if (peerId !== null && !peer) return;
    this.#line({ peerId: peer?.id, name: peer?.name ?? "Bot", text, toBot: false, waiting: false });
  }

  #line(line: {
    peerId: string | undefined;
    name: string;
    text: string;
    toBot: boolean;
    waiting: boolean;
  }): number {
    this.#next += 1;
    this.#store.setState(lineAdded({ ...line, id: this.#next, at: Date.now() }));
    return this.#next;
  }
}
