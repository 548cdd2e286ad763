import type { types } from "mediasoup-client";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ProducerSlot } from "./slot";

class FakeProducer {
  readonly id = "p";
  paused = false;
  closed = false;
  track: MediaStreamTrack;

  constructor(track: MediaStreamTrack) {
    this.track = track;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.closed = true;
  }

  async replaceTrack({ track }: { track: MediaStreamTrack }): Promise<void> {
    this.track = track;
  }
}

const one = { id: "one" } as MediaStreamTrack;
const two = { id: "two" } as MediaStreamTrack;

describe("ProducerSlot", () => {
  let log: string[];
  let producers: FakeProducer[];
  let failed: ReturnType<typeof vi.fn<(error: unknown) => void>>;
  let slot: ProducerSlot;

  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

  beforeEach(() => {
    log = [];
    producers = [];
    failed = vi.fn<(error: unknown) => void>();
    const produce = async (track: MediaStreamTrack): Promise<types.Producer> => {
      log.push(`produce ${track.id}`);
      const producer = new FakeProducer(track);
      producers.push(producer);
      return producer as unknown as types.Producer;
    };
    const request = async (method: string): Promise<unknown> => {
      log.push(method);
      return {};
    };
    slot = new ProducerSlot(produce, { request }, failed);
  });

  it("sends, mutes, unmutes and stops", async () => {
    slot.set({ track: one, paused: false });
    await settled();
    slot.set({ track: one, paused: true });
    await settled();
    slot.set({ track: one, paused: false });
    await settled();
    slot.set({ track: undefined, paused: false });
    await settled();
    expect(log).toEqual(["produce one", "pauseProducer", "resumeProducer", "closeProducer"]);
    expect(producers[0]?.closed).toBe(true);
  });

  it("does not send what is muted from the beginning until it is unmuted", async () => {
    slot.set({ track: one, paused: true });
    await settled();
    expect(log).toEqual([]);
    slot.set({ track: one, paused: false });
    await settled();
    expect(log).toEqual(["produce one"]);
  });

  it("changes the device without a new producer", async () => {
    slot.set({ track: one, paused: false });
    await settled();
    slot.set({ track: two, paused: false });
    await settled();
    expect(log).toEqual(["produce one"]);
    expect(producers[0]?.track).toBe(two);
  });

  it("ends up at the last wish however fast they come", async () => {
    slot.set({ track: one, paused: false });
    slot.set({ track: undefined, paused: false });
    slot.set({ track: two, paused: true });
    slot.set({ track: two, paused: false });
    await settled();
    expect(producers.filter(({ closed }) => !closed).map(({ track, paused }) => [track, paused])).toEqual([
      [two, false],
    ]);
  });

  it("tells about a refusal, and tries again at the next wish", async () => {
    let refuse = true;
    slot = new ProducerSlot(
      async (track) => {
        if (refuse) throw new Error("no");
        return new FakeProducer(track) as unknown as types.Producer;
      },
      { request: async () => ({}) },
      failed,
    );
    slot.set({ track: one, paused: false });
    await settled();
    expect(failed).toHaveBeenCalledOnce();
    refuse = false;
    slot.set({ track: one, paused: false });
    await settled();
    expect(failed).toHaveBeenCalledOnce();
  });

  it("is silent after its connection is gone", async () => {
    slot = new ProducerSlot(() => Promise.reject(new Error("lost")), { request: async () => ({}) }, failed);
    slot.set({ track: one, paused: false });
    slot.close();
    await settled();
    expect(failed).not.toHaveBeenCalled();
  });
});
