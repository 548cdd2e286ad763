// What is written and read. Lines that cannot leave at the moment wait for the next session.

import type { types } from "mediasoup-client";
import { chatUsable, lineAdded, lineSent } from "../store/chat";
import type { Store } from "../store/store";

// "@bot hello" is for the room's bot alone.
const TO_BOT = /^@bot\b[\s,:]*/i;

// Longer than anybody types; what is received beyond is cut.
export const MAX_LINE = 2_000;

// Who types while nothing leaves stops before this.
const MAX_WAITING = 50;

export type Channel = "chat" | "bot";

interface Outgoing {
  id: number;
  channel: Channel;
  text: string;
}

export class Chat {
  readonly #store: Store;
  readonly #producers = new Map<Channel, Promise<types.DataProducer>>();
  #produce: ((channel: Channel) => Promise<types.DataProducer>) | undefined;
  #waiting: Outgoing[] = [];
  #next = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  // A session can make data producers, until it calls what this returns. Others get ready to read what will be written
  // on "chat".
  open(produce: (channel: Channel) => Promise<types.DataProducer>): () => void {
    this.#close();
    this.#produce = produce;
    this.#producer("chat")?.then(
      () => this.#flush(),
      // The session has ended, or the server says no: the next session tries again.
      () => undefined,
    );
    // A later session may have taken over.
    return () => {
      if (this.#produce === produce) this.#close();
    };
  }

  unusable(): void {
    this.#store.setState(chatUsable("no"));
  }

  say(written: string): void {
    const text = written.trim().slice(0, MAX_LINE);
    if (!text) return;
    const toBot = TO_BOT.test(text);
    const { me } = this.#store.getState();
    const id = this.#line({ peerId: me.id, name: me.name, text, toBot, waiting: true });
    this.#waiting.push({
      id,
      channel: toBot ? "bot" : "chat",
      text: toBot ? text.replace(TO_BOT, "") : text,
    });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#flush();
  }

  // `peerId` is null for the bot.
  heard(peerId: string | null, message: unknown): void {
    if (typeof message !== "string" || message === "") return;
    const peer = this.#store.getState().peers.find(({ id }) => id === peerId);
    if (peerId !== null && !peer) return;
    const text = message.slice(0, MAX_LINE);
    this.#line({ peerId: peer?.id, name: peer?.name ?? "Bot", text, toBot: false, waiting: false });
  }

  #close(): void {
    this.#produce = undefined;
    this.#producers.clear();
    this.#store.setState(chatUsable("connecting"));
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

  #producer(channel: Channel): Promise<types.DataProducer> | undefined {
    const produce = this.#produce;
    const known = this.#producers.get(channel);
    if (known || !produce) return known;
    const made = produce(channel).then(opened);
    this.#producers.set(channel, made);
    made.then(
      () => {
        if (this.#produce === produce && channel === "chat") this.#store.setState(chatUsable("yes"));
      },
      () => {
        if (this.#producers.get(channel) === made) this.#producers.delete(channel);
      },
    );
    return made;
  }

  #flush(): void {
    for (const { id, channel, text } of this.#waiting) {
      void this.#producer(channel)?.then(
        (producer) => {
          if (producer.closed || producer.readyState !== "open") return;
          // Whoever came first has sent it.
          if (!this.#waiting.some((one) => one.id === id)) return;
          this.#waiting = this.#waiting.filter((one) => one.id !== id);
          producer.send(text);
          this.#store.setState(lineSent(id));
        },
        () => undefined,
      );
    }
  }
}

// A channel opens when both sides have found each other.
function opened(producer: types.DataProducer): Promise<types.DataProducer> {
  if (producer.readyState === "open") return Promise.resolve(producer);
  return new Promise((resolve, reject) => {
    producer.on("open", () => resolve(producer));
    producer.on("transportclose", () => reject(new Error("the connection was closed")));
    producer.on("close", () => reject(new Error("the channel was closed")));
  });
}
