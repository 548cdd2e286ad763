import { describe, expect, it } from "vitest";
import { type Box, grid, type Rect, stage } from "./layout";

const AREAS: Record<string, Box> = {
  desktop: { width: 1416, height: 720 },
  laptop: { width: 1256, height: 560 },
  phone: { width: 374, height: 714 },
  "phone on its side": { width: 800, height: 280 },
  square: { width: 700, height: 700 },
};

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function inside(one: Rect, area: Box): boolean {
  // Rounding may move an edge by one pixel.
  return (
    one.x >= -1 && one.y >= -1 && one.x + one.width <= area.width + 1 && one.y + one.height <= area.height + 1
  );
}

function expectProper(rects: Rect[], area: Box): void {
  for (const [index, one] of rects.entries()) {
    expect(inside(one, area)).toBe(true);
    for (const other of rects.slice(index + 1)) expect(overlap(one, other)).toBe(false);
  }
}

describe("grid", () => {
  for (const [name, area] of Object.entries(AREAS)) {
    it(`places 1 to 40 tiles on a ${name} without overlap`, () => {
      for (let count = 1; count <= 40; count += 1) {
        const rects = grid(count, area, 8);
        expect(rects).toHaveLength(count);
        expectProper(rects, area);
      }
    });

    it(`gives all tiles on a ${name} one size that suits a face`, () => {
      for (let count = 1; count <= 16; count += 1) {
        const [first, ...rest] = grid(count, area, 8);
        const ratio = (first?.width ?? 0) / (first?.height ?? 1);
        expect(ratio).toBeGreaterThan(0.79);
        expect(ratio).toBeLessThan(1.81);
        for (const one of rest) expect([one.width, one.height]).toEqual([first?.width, first?.height]);
      }
    });

    it(`uses a good part of a ${name} for 1 to 16 tiles`, () => {
      for (let count = 1; count <= 16; count += 1) {
        const used = grid(count, area, 8).reduce((sum, { width, height }) => sum + width * height, 0);
        expect(used / (area.width * area.height)).toBeGreaterThan(0.4);
      }
    });
  }

  it("stacks two people on a phone and seats them side by side on a desktop", () => {
    const columns = (rects: Rect[]): number => new Set(rects.map(({ x }) => x)).size;
    expect(columns(grid(2, AREAS.phone as Box, 8))).toBe(1);
    expect(columns(grid(2, AREAS.desktop as Box, 12))).toBe(2);
  });

  it("centres a last row that is not full", () => {
    const rects = grid(3, AREAS.square as Box, 10);
    const last = rects[2] as Rect;
    expect(Math.abs(last.x + last.width / 2 - 350)).toBeLessThanOrEqual(1);
  });

  it("has nothing to place where there is nothing, or no room", () => {
    expect(grid(0, AREAS.square as Box, 8)).toEqual([]);
    expect(grid(3, { width: 0, height: 0 }, 8)).toEqual([]);
  });
});

describe("stage", () => {
  for (const [name, area] of Object.entries(AREAS)) {
    it(`leaves most of a ${name} to the main tile`, () => {
      for (let others = 0; others <= 15; others += 1) {
        const { main, others: rects } = stage(others, area, 8);
        expect(rects).toHaveLength(others);
        expectProper([main, ...rects], area);
        expect((main.width * main.height) / (area.width * area.height)).toBeGreaterThan(0.45);
      }
    });
  }
});
