import { describe, expect, it } from "vitest";
import { readOffered } from "./certificate.js";
import { appDataOf, sourceOf } from "./source.js";

describe("sources", () => {
  it("are understood as all dialects say them", () => {
    expect(sourceOf("video", { share: true })).toBe("screen");
    expect(sourceOf("video", { source: "screensharing" })).toBe("screen");
    expect(sourceOf("audio", { source: "screensharing" })).toBe("screen-audio");
    expect(sourceOf("audio", {})).toBe("microphone");
    expect(sourceOf("video", { source: "video" })).toBe("camera");
    expect(sourceOf("video", { source: "whiteboard" })).toBe("whiteboard");
  });

  it("are said so that all dialects understand them", () => {
    for (const [kind, source] of [
      ["audio", "microphone"],
      ["video", "camera"],
      ["video", "screen"],
      ["audio", "screen-audio"],
      ["video", "whiteboard"],
    ] as const)
      expect(sourceOf(kind, appDataOf(source))).toBe(source);
    expect(appDataOf("screen")).toEqual({ source: "screensharing", share: true });
  });
});

describe("fingerprints", () => {
  it("are found in an offer", () => {
    const sdp = "v=0\r\na=fingerprint:SHA-256 ab:cd\r\nm=application 9\r\n";
    expect(readOffered(sdp)).toEqual([{ algorithm: "sha-256", value: "AB:CD" }]);
    expect(readOffered("v=0\r\n")).toEqual([]);
  });
});
