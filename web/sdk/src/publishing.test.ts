import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Publishing } from "./publishing.js";

class FakeTrack extends EventTarget {
  readonly kind: "audio" | "video";
  readonly stop = vi.fn();
  contentHint = "";

  constructor(kind: "audio" | "video") {
    super();
    this.kind = kind;
  }
}

describe("Publishing", () => {
  let publishing: Publishing;
  let shared: FakeTrack[];

  const sources = (): string[] => [...publishing.locals.keys()].sort();
  const share = (...kinds: ("audio" | "video")[]): ReturnType<Publishing["publish"]> => {
    shared = kinds.map((kind) => new FakeTrack(kind));
    return publishing.publish("screen", {});
  };

  beforeEach(() => {
    const of = (wanted: string) => (): FakeTrack[] => shared.filter(({ kind }) => kind === wanted);
    const getDisplayMedia = async (): Promise<object> => ({
      getVideoTracks: of("video"),
      getAudioTracks: of("audio"),
    });
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: vi.fn(), getDisplayMedia } });
    publishing = new Publishing({ session: () => undefined, may: () => true, revoked: () => undefined });
  });

  afterEach(() => vi.unstubAllGlobals());

  it("ends the sound of a screen with the screen", async () => {
    const screen = await share("video", "audio");
    const [, sound] = shared;
    expect(sources()).toEqual(["screen", "screen-audio"]);
    screen.unpublish();
    expect(sources()).toEqual([]);
    expect(sound?.stop).toHaveBeenCalledOnce();
  });

  it("keeps no sound of the screen before", async () => {
    await share("video", "audio");
    const [, sound] = shared;
    await share("video", "audio");
    expect(sound?.stop).toHaveBeenCalledOnce();
    expect(sources()).toEqual(["screen", "screen-audio"]);
    const [, newer] = shared;
    await share("video");
    expect(newer?.stop).toHaveBeenCalledOnce();
    expect(sources()).toEqual(["screen"]);
  });

  it("leaves sound alone that the application gave", async () => {
    const given = new FakeTrack("audio") as unknown as MediaStreamTrack;
    const screen = await share("video");
    await publishing.publish(given, { source: "screen-audio" });
    screen.unpublish();
    expect(sources()).toEqual(["screen-audio"]);
  });
});
