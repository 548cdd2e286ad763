// One place to send from. It is told what shall be sent, and works towards that one step at a time: switches that
// are pressed faster than the server answers never overlap.

import type { types } from "mediasoup-client";
import type { ProtooClient } from "../protoo/client";

export interface Wanted {
  track: MediaStreamTrack | undefined;
  paused: boolean;
}

export class ProducerSlot {
  readonly #produce: (track: MediaStreamTrack) => Promise<types.Producer>;
  readonly #protoo: Pick<ProtooClient, "request">;
  readonly #failed: (error: unknown) => void;
  #wanted: Wanted = { track: undefined, paused: false };
  #producer: types.Producer | undefined;
  #working = false;
  #closed = false;

  constructor(
    produce: (track: MediaStreamTrack) => Promise<types.Producer>,
    protoo: Pick<ProtooClient, "request">,
    failed: (error: unknown) => void,
  ) {
    this.#produce = produce;
    this.#protoo = protoo;
    this.#failed = failed;
  }

  set(wanted: Wanted): void {
    this.#wanted = wanted;
    if (!this.#working) void this.#work();
  }

  close(): void {
    this.#closed = true;
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      while (!this.#closed && (await this.#step())) {
        // Until nothing is left to do.
      }
    } catch (error) {
      if (!this.#closed) this.#failed(error);
    } finally {
      this.#working = false;
    }
  }

  // Does one thing that is still missing; false if all is as wanted.
  async #step(): Promise<boolean> {
    const { track, paused } = this.#wanted;
    const producer = this.#producer;
    if (!producer) {
      // Something that is muted from the beginning is sent from its first unmuting on.
      if (!track || paused) return false;
      this.#producer = await this.#produce(track);
      return true;
    }
    if (!track) {
      this.#producer = undefined;
      producer.close();
      await this.#protoo.request("closeProducer", { producerId: producer.id });
      return true;
    }
    if (producer.track !== track) {
      await producer.replaceTrack({ track });
      return true;
    }
    if (producer.paused !== paused) {
      if (paused) producer.pause();
      else producer.resume();
      await this.#protoo.request(paused ? "pauseProducer" : "resumeProducer", { producerId: producer.id });
      return true;
    }
    return false;
  }
}
