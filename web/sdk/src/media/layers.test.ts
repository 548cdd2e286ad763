import { describe, expect, it } from "vitest";
import { type Place, PRIORITY, STAGED_PRIORITY, TopHeight, type Watched, wish } from "./layers.js";

const three: Watched = { count: { spatial: 3, temporal: 3 }, top: 720, wished: undefined };

function place(width: number, height: number, staged = false): Place {
  return { width, height, staged };
}

function spatial(at: Place, watched: Watched = three, ratio = 1): number | undefined {
  return wish(at, ratio, watched).layers?.spatial;
}

describe("wished layers", () => {
  it("fit the size of the tile", () => {
    expect(spatial(place(160, 90))).toBe(0);
    expect(spatial(place(400, 225))).toBe(0);
    expect(spatial(place(640, 360))).toBe(1);
    expect(spatial(place(1000, 700))).toBe(2);
  });

  it("count the pixels of the screen, not those of the page", () => {
    expect(spatial(place(320, 180), three, 1)).toBe(0);
    expect(spatial(place(320, 180), three, 2)).toBe(1);
    expect(spatial(place(320, 180), three, 3.5)).toBe(2);
  });

  it("cover tiles of every shape", () => {
    // A tile that is taller than the picture shows only the middle of it.
    expect(spatial(place(180, 400))).toBe(1);
    expect(spatial(place(1200, 200))).toBe(2);
  });

  it("are not enlarged on the stage", () => {
    expect(spatial(place(700, 390))).toBe(1);
    expect(spatial(place(700, 390, true))).toBe(2);
    expect(spatial(place(320, 180, true))).toBe(0);
  });

  it("follow what the sender really has", () => {
    expect(spatial(place(640, 360), { ...three, top: 360 })).toBe(2);
    expect(spatial(place(640, 360), { ...three, top: 1440 })).toBe(0);
    expect(spatial(place(640, 360), { ...three, top: undefined })).toBe(1);
  });

  it("do not flicker around a border", () => {
    // 180 lines enlarged by 1.3: good enough to stay at, not good enough to go down for.
    const border = place(416, 234);
    expect(spatial(border, { ...three, wished: 0 })).toBe(0);
    expect(spatial(border, { ...three, wished: 1 })).toBe(1);
    expect(spatial(place(380, 214), { ...three, wished: 1 })).toBe(0);
    expect(spatial(place(640, 360), { ...three, wished: 0 })).toBe(1);
  });

  it("have all frames", () => {
    expect(wish(place(160, 90), 1, three).layers?.temporal).toBe(2);
    expect(wish(place(160, 90), 1, { ...three, count: { spatial: 1, temporal: 2 } }).layers).toEqual({
      spatial: 0,
      temporal: 1,
    });
  });

  it("are left out where there is nothing to choose", () => {
    const one = { ...three, count: { spatial: 1, temporal: 1 } };
    expect(wish(place(160, 90), 1, one)).toEqual({ paused: false, layers: undefined, priority: PRIORITY });
  });

  it("pause what has no place, and keep what it will come back with", () => {
    expect(wish(undefined, 1, { ...three, wished: 2 })).toEqual({
      paused: true,
      layers: { spatial: 2, temporal: 2 },
      priority: PRIORITY,
    });
    expect(wish(place(0, 0), 1, three).paused).toBe(true);
  });

  it("put what is looked at first", () => {
    expect(wish(place(900, 600, true), 1, three).priority).toBe(STAGED_PRIORITY);
    expect(wish(place(900, 600), 1, three).priority).toBe(PRIORITY);
  });
});

describe("the height of the highest layer", () => {
  const count = { spatial: 3, temporal: 3 };

  it("is learnt from any layer", () => {
    const top = new TopHeight();
    expect(top.look(0, count, 135)).toBe(false);
    expect(top.look(0, count, 135)).toBe(true);
    expect(top.value).toBe(540);
    expect(top.look(0, count, 135)).toBe(false);
  });

  it("is not taken from a picture that is still on its way", () => {
    const top = new TopHeight();
    top.look(2, count, 540);
    top.look(2, count, 540);
    // The layer is announced before the picture arrives.
    expect(top.look(0, count, 540)).toBe(false);
    expect(top.look(0, count, 135)).toBe(false);
    expect(top.look(0, count, 135)).toBe(false);
    expect(top.value).toBe(540);
  });

  it("is unknown without a picture", () => {
    const top = new TopHeight();
    top.look(1, count, 0);
    expect(top.look(1, count, 0)).toBe(false);
    expect(top.value).toBeUndefined();
  });
});
