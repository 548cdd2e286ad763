import { describe, expect, it } from "vitest";
import { browser } from "./browser.js";

describe("browser", () => {
  it("is recognised where several names are given", () => {
    const chrome = "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
    expect(browser(chrome)).toEqual({ flag: "chrome", name: "Chrome", version: "156.0.0.0" });
    expect(browser(`${chrome} Edg/156.0.1.2`).flag).toBe("edge");
    expect(browser("Mozilla/5.0 (Macintosh) AppleWebKit/605 Version/26.1 Safari/605").flag).toBe("safari");
    expect(browser("curl/8").flag).toBe("unknown");
  });
});
