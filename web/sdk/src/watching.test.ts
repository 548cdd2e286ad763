import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RequestError } from "./errors.js";
import type { Place } from "./media/layers.js";
import { type Asked, Watching } from "./watching.js";
import type { Json } from "./wire/frames.js";

const three = { spatial: 3, temporal: 3 };
const large: Place = { width: 1200, height: 700, staged: true };
const small: Place = { width: 200, height: 112, staged: false };

describe("Watching", () => {
  let sent: [string, Json][];
  let asked: Map<string, Asked>;
  let refuse: (method: string) => boolean;
  let fail: (method: string) => RequestError | undefined;
  let watching: Watching;

  const view = (places: Record<string, Place>): void =>
    watching.view(new Map(Object.entries(places)), "nothing");
  const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(250);
  const methods = (): string[] => sent.map(([method]) => method);

  beforeEach(() => {
    vi.useFakeTimers();
    sent = [];
    asked = new Map();
    refuse = () => false;
    fail = () => undefined;
    watching = new Watching({
      request: async (method, data) => {
        const failure = fail(method) ?? (refuse(method) ? new Error("no") : undefined);
        if (failure) throw failure;
        sent.push([method, data]);
      },
      asked: (consumer, what) => asked.set(consumer, what),
      pixelRatio: () => 1,
    });
  });

  afterEach(() => {
    watching.close();
    vi.useRealTimers();
  });

  it("asks for what fits each tile", async () => {
    watching.add("1", "a/camera", three);
    watching.add("2", "b/camera", three);
    view({ "a/camera": large, "b/camera": small });
    await settled();
    expect(sent).toEqual([
      ["setConsumerPriority", { consumerId: "1", priority: 10 }],
      ["setConsumerLayers", { consumerId: "2", spatialLayer: 0, temporalLayer: 2 }],
    ]);
    expect(asked.get("2")).toEqual({ preferred: { spatial: 0, temporal: 2 }, paused: false });
  });

  it("swaps what is large and what is small", async () => {
    watching.add("1", "a/camera", three);
    watching.add("2", "b/camera", three);
    view({ "a/camera": large, "b/camera": small });
    await settled();
    sent.length = 0;
    view({ "a/camera": small, "b/camera": large });
    await settled();
    expect(sent).toContainEqual([
      "setConsumerLayers",
      { consumerId: "1", spatialLayer: 0, temporalLayer: 2 },
    ]);
    expect(sent).toContainEqual([
      "setConsumerLayers",
      { consumerId: "2", spatialLayer: 2, temporalLayer: 2 },
    ]);
    expect(sent).toContainEqual(["setConsumerPriority", { consumerId: "1", priority: 1 }]);
    expect(sent).toHaveLength(4);
  });

  it("does not ask with every frame of a resize, but now and then during a long one", async () => {
    watching.add("1", "a/camera", three);
    for (let frame = 0; frame < 180; frame += 1) {
      const width = 200 + frame * 5;
      view({ "a/camera": { width, height: (width * 9) / 16, staged: false } });
      await vi.advanceTimersByTimeAsync(16);
    }
    await settled();
    // Three seconds through three layers: it is small for less than the first look takes.
    expect(sent.map(([, data]) => data.spatialLayer)).toEqual([1, 2]);
  });

  it("pauses what has no place, and tells what of it before it comes back", async () => {
    watching.add("1", "a/camera", three);
    view({});
    await settled();
    expect(methods()).toEqual(["pauseConsumers"]);
    expect(asked.get("1")?.paused).toBe(true);
    view({ "a/camera": small });
    await settled();
    expect(methods()).toEqual(["pauseConsumers", "setConsumerLayers", "resumeConsumers"]);
    expect(asked.get("1")?.paused).toBe(false);
  });

  it("pauses all pictures of a page that is away, not of one that is away for a moment", async () => {
    watching.add("1", "a/camera", three);
    view({ "a/camera": large });
    await settled();
    sent.length = 0;
    watching.seen(false);
    await vi.advanceTimersByTimeAsync(1000);
    watching.seen(true);
    await vi.advanceTimersByTimeAsync(5000);
    expect(sent).toEqual([]);
    watching.seen(false);
    await vi.advanceTimersByTimeAsync(1600);
    expect(methods()).toEqual(["pauseConsumers"]);
    watching.seen(true);
    // At once, nobody waits for a picture longer than needed.
    await vi.advanceTimersByTimeAsync(0);
    expect(methods()).toEqual(["pauseConsumers", "resumeConsumers"]);
  });

  it("learns what the layers are from what arrives", async () => {
    watching.add("1", "a/camera", three);
    view({ "a/camera": { width: 480, height: 270, staged: false } });
    await settled();
    expect(sent.at(-1)?.[1].spatialLayer).toBe(1);
    watching.layer("1", 1);
    // The camera gives 360 lines: the middle layer has 180 of them.
    watching.picture("1", 180);
    watching.picture("1", 180);
    await settled();
    expect(sent.at(-1)?.[1].spatialLayer).toBe(2);
  });

  it("asks one thing at a time, and for the last wish", async () => {
    const answers: (() => void)[] = [];
    watching = new Watching({
      request: (method, data) => {
        sent.push([method, data]);
        return new Promise<void>((resolve) => answers.push(resolve));
      },
      asked: () => undefined,
      pixelRatio: () => 1,
    });
    watching.add("1", "a/camera", three);
    view({ "a/camera": small });
    await settled();
    view({ "a/camera": large });
    await settled();
    view({ "a/camera": { ...small, width: 640, height: 360 } });
    await settled();
    expect(sent).toHaveLength(1);
    answers.shift()?.();
    await settled();
    expect(sent.map(([, data]) => data.spatialLayer)).toEqual([0, 1]);
  });

  it("survives a refusal, and does not ask again until it wants something else", async () => {
    let refusals = 0;
    refuse = () => {
      refusals += 1;
      return true;
    };
    watching.add("1", "a/camera", three);
    for (let look = 0; look < 3; look += 1) {
      view({ "a/camera": small });
      await settled();
    }
    expect(refusals).toBe(1);
    expect(asked.size).toBe(0);
    refuse = () => false;
    view({ "a/camera": { ...small, width: 640, height: 360 } });
    await settled();
    expect(sent.map(([, data]) => data.spatialLayer)).toEqual([1]);
  });

  it("comes back even if the server refuses to choose layers", async () => {
    watching.add("1", "a/camera", three);
    view({});
    await settled();
    refuse = (method) => method !== "resumeConsumers";
    view({ "a/camera": small });
    await settled();
    expect(methods()).toEqual(["pauseConsumers", "resumeConsumers"]);
    expect(asked.get("1")).toEqual({ preferred: undefined, paused: false });
  });

  it("resumes what a pause without an answer may have stopped", async () => {
    fail = (method) => (method === "pauseConsumers" ? new RequestError(0, "no answer") : undefined);
    watching.add("1", "a/camera", three);
    view({});
    await settled();
    expect(sent).toEqual([]);
    view({ "a/camera": { width: 1200, height: 700, staged: false } });
    await settled();
    expect(methods()).toEqual(["resumeConsumers"]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(sent).toHaveLength(1);
  });

  it("asks again, more and more seldom, for what has failed for a while", async () => {
    watching.add("1", "a/camera", three);
    view({});
    await settled();
    let failures = 0;
    fail = () => {
      failures += 1;
      return new RequestError(429, "too many requests");
    };
    view({ "a/camera": small });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(failures).toBeGreaterThan(8);
    expect(failures).toBeLessThan(32);
    fail = () => undefined;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(methods().slice(1).sort()).toEqual(["resumeConsumers", "setConsumerLayers"]);
    expect(asked.get("1")).toEqual({ preferred: { spatial: 0, temporal: 2 }, paused: false });
  });

  it("asks again to go on even if that was refused", async () => {
    watching.add("1", "a/camera", three);
    view({});
    await settled();
    fail = () => new RequestError(403, "no");
    view({ "a/camera": { width: 1200, height: 700, staged: false } });
    await settled();
    fail = () => undefined;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(methods()).toEqual(["pauseConsumers", "resumeConsumers"]);
  });

  it("stops and goes on with everybody by few requests", async () => {
    for (let id = 0; id < 150; id += 1) watching.add(String(id), `${id}/camera`, three);
    view({});
    await settled();
    expect(sent.map(([method, { consumerIds }]) => [method, (consumerIds as string[]).length])).toEqual([
      ["pauseConsumers", 64],
      ["pauseConsumers", 64],
      ["pauseConsumers", 22],
    ]);
    expect([...asked.values()].every(({ paused }) => paused)).toBe(true);
  });

  it("never asks more at a time than the server takes", async () => {
    const answers: (() => void)[] = [];
    watching = new Watching({
      request: (method, data) => {
        sent.push([method, data]);
        return new Promise<void>((resolve) => answers.push(resolve));
      },
      asked: () => undefined,
      pixelRatio: () => 1,
    });
    const places: Record<string, Place> = {};
    for (let id = 0; id < 150; id += 1) {
      watching.add(String(id), `${id}/camera`, three);
      places[`${id}/camera`] = small;
    }
    view(places);
    await settled();
    expect(sent).toHaveLength(32);
    while (answers.length > 0) {
      expect(answers.length).toBeLessThanOrEqual(32);
      answers.shift()?.();
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(new Set(sent.map(([, { consumerId }]) => consumerId)).size).toBe(150);
    expect(sent).toHaveLength(150);
  });

  it("says nothing about what is gone", async () => {
    watching.add("1", "a/camera", three);
    view({ "a/camera": small });
    watching.remove("1");
    await settled();
    expect(sent).toEqual([]);
    watching.layer("1", 2);
    watching.picture("1", 100);
  });
});
