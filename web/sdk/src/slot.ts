// One place to send from. It is told what shall be sent, and works towards that one step at a time: switches that
// are pressed faster than the server answers never overlap.

import type { types } from "mediasoup-client";
import type { Wanted } from "./local.js";
import { activate } from "./media/demand.js";
import type { Socket } from "./wire/socket.js";

// Which encodings are watched, by producer. They may be known before the answer that makes the producer known.
export type Demands = ReadonlyMap<string, readonly boolean[]>;

export class ProducerSlot {
  readonly #produce: (track: MediaStreamTrack) => Promise<types.Producer>;
  readonly #socket: Pick<Socket, "request">;
  readonly #failed: (error: unknown) => void;
  readonly #demands: Demands;
  #wanted: Wanted = { track: undefined, paused: false };
  #producer: types.Producer | undefined;
  #followed: readonly boolean[] | undefined;
  // Whether the server takes it for paused; undefined after a request of which nobody knows what it did.
  #told: boolean | undefined;
  // What is sent is not what would be made now.
  #stale = false;
  #working = false;
  // Something was asked for since the last look.
  #asked = false;
  #closed = false;

  constructor(
    produce: (track: MediaStreamTrack) => Promise<types.Producer>,
    socket: Pick<Socket, "request">,
    failed: (error: unknown) => void,
    demands: Demands = new Map(),
  ) {
    this.#produce = produce;
    this.#socket = socket;
    this.#failed = failed;
    this.#demands = demands;
  }

  // What the server calls what is sent from here.
  get id(): string | undefined {
    return this.#producer?.id;
  }

  set(wanted: Wanted): void {
    this.#wanted = wanted;
    this.#start();
  }

  // What is sent is to be made anew: encodings and what others are told of it are settled in the beginning.
  renew(): void {
    this.#stale = true;
    this.#start();
  }

  // To be called when the demands have changed: encodings that nobody watches are not sent until somebody does.
  follow(): void {
    this.#start();
  }

  close(): void {
    this.#closed = true;
  }

  #start(): void {
    this.#asked = true;
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      // Until nothing is left to do, and nothing was asked for while that was found out.
      for (let more = true; !this.#closed && (more || this.#asked); ) {
        this.#asked = false;
        more = await this.#attempt();
      }
    } finally {
      this.#working = false;
    }
  }

  // A failure ends what was begun, not what was wished for meanwhile.
  async #attempt(): Promise<boolean> {
    try {
      return await this.#step();
    } catch (error) {
      if (!this.#closed) this.#failed(error);
      return false;
    }
  }

  // Does one thing that is still missing; false if all is as wanted.
  async #step(): Promise<boolean> {
    const { track, paused } = this.#wanted;
    const producer = this.#producer;
    if (!producer) {
      // Something that is muted from the beginning is sent from its first unmuting on.
      if (!track || paused) return false;
      this.#stale = false;
      this.#producer = await this.#produce(track);
      this.#followed = undefined;
      this.#told = false;
      return true;
    }
    if (!track || this.#stale) {
      this.#producer = undefined;
      producer.close();
      // One that the server has taken away is as closed as can be.
      await this.#socket.request("closeProducer", { producerId: producer.id }).catch(() => undefined);
      return true;
    }
    if (producer.track !== track) {
      await producer.replaceTrack({ track });
      return true;
    }
    if (producer.paused !== paused || this.#told !== paused) {
      if (paused) producer.pause();
      else producer.resume();
      this.#told = undefined;
      await this.#socket.request(paused ? "pauseProducer" : "resumeProducer", { producerId: producer.id });
      this.#told = paused;
      return true;
    }
    const demand = this.#demands.get(producer.id);
    if (demand && demand !== this.#followed) {
      this.#followed = demand;
      if (producer.rtpSender) await activate(producer.rtpSender, demand);
      return true;
    }
    return false;
  }
}
