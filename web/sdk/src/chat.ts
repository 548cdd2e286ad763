// What people write to each other: on data channels labelled "chat", as clients of all dialects do. Lines that cannot
// leave at the moment wait for the next session.

import type { types } from "mediasoup-client";
import { Emitter } from "./events.js";
import type { DataMessage } from "./receiving.js";
import type { ProduceData } from "./session.js";

// Longer than anybody types; what is received beyond is cut.
export const MAX_LINE = 2_000;

// Who writes while nothing leaves stops before this.
const MAX_WAITING = 50;

// To everybody, or to the room's bot alone.
export type ChatChannel = "chat" | "bot";

// "no": this client may not write, or the server has no data channels.
export type ChatState = "connecting" | "yes" | "no";

export interface ChatEvents {
  // Somebody wrote; null: the bot.
  message: [text: string, peerId: string | null];
  // One's own line is on its way.
  sent: [id: number];
  usable: [state: ChatState];
}

interface Outgoing {
  id: number;
  channel: ChatChannel;
  text: string;
}

export class Chat extends Emitter<ChatEvents> {
  readonly #producers = new Map<ChatChannel, Promise<types.DataProducer>>();
  #produce: ProduceData | undefined;
  #waiting: Outgoing[] = [];
  #next = 0;
  #state: ChatState = "connecting";

  // Whether what is written leaves at once.
  get usable(): ChatState {
    return this.#state;
  }

  // Writes a line, now or as soon as that is possible; `sent` tells its number then.
  send(written: string, channel: ChatChannel = "chat"): number {
    this.#next += 1;
    this.#waiting.push({ id: this.#next, channel, text: written.slice(0, MAX_LINE) });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#flush();
    return this.#next;
  }

  // Data channels can be made, or not any more. Others get ready to read what will be written on "chat".
  ready(produce: ProduceData | undefined | "never"): void {
    this.#producers.clear();
    this.#produce = produce === "never" ? undefined : produce;
    this.#become(produce === "never" ? "no" : "connecting");
    this.#producer("chat")?.then(
      () => this.#flush(),
      // The session has ended, or the server says no: the next session tries again.
      () => undefined,
    );
  }

  // Whether this was a line.
  heard({ peerId, label, message }: DataMessage): boolean {
    if (label !== "chat" && peerId !== null) return false;
    if (typeof message === "string" && message !== "")
      this.emit("message", message.slice(0, MAX_LINE), peerId);
    return true;
  }

  #become(state: ChatState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.emit("usable", state);
  }

  #producer(channel: ChatChannel): Promise<types.DataProducer> | undefined {
    const produce = this.#produce;
    const known = this.#producers.get(channel);
    if (known || !produce) return known;
    const options = { label: channel, ordered: true, appData: { channel } };
    const made = produce(options).then(opened);
    this.#producers.set(channel, made);
    made.then(
      () => {
        if (this.#produce === produce && channel === "chat") this.#become("yes");
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
          this.emit("sent", id);
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
