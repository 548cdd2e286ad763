import type { types } from "mediasoup-client";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ProducerSlot } from "./slot.js";

class FakeProducer {
  readonly id: string;
  // One encoding per number, on or off.
  active = [true, true];
  readonly rtpSender = {
    getParameters: () => ({ encodings: this.active.map((active) => ({ active })) }),
    setParameters: async ({ encodings }: { encodings: { active: boolean }[] }): Promise<void> => {
      this.active = encodings.map(({ active }) => active);
    },
  };
  paused = false;
  closed = false;
  track: MediaStreamTrack;

  constructor(track: MediaStreamTrack, id = "p") {
    this.track = track;
    this.id = id;
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
  let demands: Map<string, boolean[]>;

  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

  beforeEach(() => {
    log = [];
    producers = [];
    demands = new Map();
    failed = vi.fn<(error: unknown) => void>();
    const produce = async (track: MediaStreamTrack): Promise<types.Producer> => {
      log.push(`produce ${track.id}`);
      const producer = new FakeProducer(track, `p${producers.length}`);
      producers.push(producer);
      return producer as unknown as types.Producer;
    };
    const request = async (method: string): Promise<Record<string, unknown>> => {
      log.push(method);
      return {};
    };
    slot = new ProducerSlot(produce, { request }, failed, demands);
  });

  const demand = async (producer: string, ...encodings: boolean[]): Promise<void> => {
    demands.set(producer, encodings);
    slot.follow();
    await settled();
  };

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

  it("sends what is watched only", async () => {
    slot.set({ track: one, paused: false });
    await settled();
    await demand("p0", true, false);
    expect(producers[0]?.active).toEqual([true, false]);
    await demand("p0", false, false);
    expect(producers[0]?.active).toEqual([false, false]);
    await demand("p0", false, true);
    expect(producers[0]?.active).toEqual([false, true]);
    await demand("of somebody else", false, false);
    expect(producers[0]?.active).toEqual([false, true]);
    expect(log).toEqual(["produce one"]);
  });

  it("follows a demand that came before the producer was known", async () => {
    demands.set("p0", [false, false]);
    slot.follow();
    slot.set({ track: one, paused: false });
    await settled();
    expect(producers[0]?.active).toEqual([false, false]);
  });

  it("keeps to the demand through mutes and changes of the device, and starts anew with a new producer", async () => {
    slot.set({ track: one, paused: false });
    await settled();
    await demand("p0", true, false);
    slot.set({ track: two, paused: true });
    await settled();
    slot.set({ track: two, paused: false });
    await settled();
    expect(producers[0]?.active).toEqual([true, false]);
    slot.set({ track: undefined, paused: false });
    slot.set({ track: one, paused: false });
    await settled();
    slot.set({ track: undefined, paused: false });
    await settled();
    slot.set({ track: one, paused: false });
    await settled();
    expect(producers.at(-1)?.active).toEqual([true, true]);
    await demand(producers.at(-1)?.id ?? "", false, true);
    expect(producers.at(-1)?.active).toEqual([false, true]);
  });

  it("hears what is asked for while it finds out that nothing is left to do", async () => {
    slot.follow();
    slot.set({ track: one, paused: false });
    await settled();
    expect(log).toEqual(["produce one"]);
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

  it("does what was wished for while something failed", async () => {
    let refuse: (error: Error) => void = () => undefined;
    const tried: string[] = [];
    slot = new ProducerSlot(
      (track) => {
        tried.push(track.id);
        if (track === two) return Promise.resolve(new FakeProducer(track) as unknown as types.Producer);
        return new Promise((_, reject) => {
          refuse = reject;
        });
      },
      { request: async () => ({}) },
      failed,
    );
    slot.set({ track: one, paused: false });
    slot.set({ track: two, paused: false });
    refuse(new Error("no"));
    await settled();
    expect(failed).toHaveBeenCalledOnce();
    expect(tried).toEqual(["one", "two"]);
    expect(slot.id).toBe("p");
  });

  it("asks again for a pause that failed", async () => {
    const request = vi.fn(async (_: string): Promise<Record<string, unknown>> => ({}));
    slot = new ProducerSlot(
      async (track) => new FakeProducer(track) as unknown as types.Producer,
      { request },
      failed,
    );
    slot.set({ track: one, paused: false });
    await settled();
    request.mockRejectedValueOnce(new Error("no answer"));
    slot.set({ track: one, paused: true });
    await settled();
    expect(failed).toHaveBeenCalledOnce();
    slot.set({ track: one, paused: true });
    await settled();
    expect(request.mock.calls.map(([method]) => method)).toEqual(["pauseProducer", "pauseProducer"]);
    expect(failed).toHaveBeenCalledOnce();
  });

  it("makes anew what is to be sent otherwise, also while it is being made", async () => {
    slot.set({ track: one, paused: false });
    slot.renew();
    await settled();
    expect(log).toEqual(["produce one", "closeProducer", "produce one"]);
    slot.renew();
    await settled();
    expect(producers.map(({ closed }) => closed)).toEqual([true, true, false]);
  });

  it("is silent after its connection is gone", async () => {
    slot = new ProducerSlot(() => Promise.reject(new Error("lost")), { request: async () => ({}) }, failed);
    slot.set({ track: one, paused: false });
    slot.close();
    await settled();
    expect(failed).not.toHaveBeenCalled();
  });
});
