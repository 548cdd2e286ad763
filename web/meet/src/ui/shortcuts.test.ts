import { describe, expect, it } from "vitest";
import { SHORTCUTS, shortcut } from "./shortcuts";

const press = (key: string, change: object = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  target: { tagName: "BODY" },
  ...change,
});

describe("shortcuts", () => {
  it("are found whatever the shift key does", () => {
    expect(shortcut(press("m"), true)?.key).toBe("m");
    expect(shortcut(press("M"), true)?.key).toBe("m");
    expect(shortcut(press("?"), true)?.key).toBe("?");
  });

  it("leave typing, browser keys and held keys alone", () => {
    expect(shortcut(press("m", { target: { tagName: "INPUT" } }), true)).toBeUndefined();
    expect(shortcut(press("s", { ctrlKey: true }), true)).toBeUndefined();
    expect(shortcut(press("m", { repeat: true }), true)).toBeUndefined();
  });

  it("are fewer in the lobby", () => {
    expect(shortcut(press("m"), false)?.key).toBe("m");
    expect(shortcut(press("s"), false)).toBeUndefined();
  });

  it("are all different", () => {
    expect(new Set(SHORTCUTS.map(({ key }) => key)).size).toBe(SHORTCUTS.length);
  });
});
