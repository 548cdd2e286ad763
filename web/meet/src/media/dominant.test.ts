import { describe, expect, it } from "vitest";
import { DominantSpeaker } from "./dominant";

describe("the dominant speaker", () => {
  const heard =
    (speaker: DominantSpeaker) =>
    (levels: Record<string, number>, at: number): string | undefined =>
      speaker.update(new Map(Object.entries(levels)), at);

  it("is nobody before somebody speaks, and then the first one at once", () => {
    const hear = heard(new DominantSpeaker());
    expect(hear({ a: 0, b: 0.001 }, 0)).toBeUndefined();
    expect(hear({ a: 0, b: 0.1 }, 400)).toBe("b");
  });

  it("keeps the floor through silence", () => {
    const hear = heard(new DominantSpeaker());
    hear({ a: 0.1, b: 0 }, 0);
    expect(hear({ a: 0, b: 0 }, 60_000)).toBe("a");
  });

  it("gives way to who speaks on while it is silent, not to a cough", () => {
    const hear = heard(new DominantSpeaker());
    hear({ a: 0.1, b: 0 }, 0);
    expect(hear({ a: 0, b: 0.1 }, 400)).toBe("a");
    expect(hear({ a: 0.1, b: 0 }, 800)).toBe("a");
    expect(hear({ a: 0, b: 0.1 }, 1200)).toBe("a");
    // A pause between two words.
    expect(hear({ a: 0, b: 0 }, 1600)).toBe("a");
    expect(hear({ a: 0, b: 0.1 }, 2200)).toBe("b");
  });

  it("is not lost to somebody who is equally loud", () => {
    const hear = heard(new DominantSpeaker());
    hear({ a: 0.1, b: 0 }, 0);
    for (let at = 400; at < 8000; at += 400) expect(hear({ a: 0.1, b: 0.12 }, at)).toBe("a");
  });

  it("is lost to somebody who is much louder for long", () => {
    const hear = heard(new DominantSpeaker());
    hear({ a: 0.1, b: 0 }, 0);
    hear({ a: 0.1, b: 0.3 }, 400);
    expect(hear({ a: 0.1, b: 0.3 }, 1000)).toBe("a");
    expect(hear({ a: 0.1, b: 0.3 }, 1400)).toBe("b");
  });

  it("is forgotten when it leaves", () => {
    const hear = heard(new DominantSpeaker());
    hear({ a: 0.1, b: 0 }, 0);
    expect(hear({ b: 0 }, 400)).toBeUndefined();
    expect(hear({ b: 0.1 }, 800)).toBe("b");
  });
});
