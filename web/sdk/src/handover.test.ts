import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Handover } from "./handover.js";
import type { RemoteTrack } from "./remote.js";

type Kind = "audio" | "video";

function media(id: string, peerId: string, source: string, paused = false): RemoteTrack {
  const track = { id: `track-${id}` };
  return { id, peerId, source, key: `${peerId}/${source}`, track, paused, suspended: false } as RemoteTrack;
}

describe("Handover", () => {
  let tracks: Map<string, RemoteTrack>;
  let report: Map<string, object>;
  let completed: number;
  let handover: Handover;

  const shown = (): string[] => [...tracks.keys()].sort();
  const arrives = (id: string, kind: Kind, count = 1): void => {
    const figures =
      kind === "video" ? { framesDecoded: count, packetsReceived: 5 } : { packetsReceived: count };
    report.set(id, { type: "inbound-rtp", trackIdentifier: `track-${id}`, ...figures });
  };
  const later = (ms = 100): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    vi.useFakeTimers();
    tracks = new Map([media("1", "a", "mic"), media("2", "a", "camera")].map((one) => [one.id, one]));
    report = new Map();
    completed = 0;
    handover = new Handover({
      shown: () => tracks.values(),
      show: (track) => {
        for (const { id, key } of [...tracks.values()]) if (key === track.key) tracks.delete(id);
        tracks.set(track.id, track);
      },
      report: async () => report,
      complete: () => {
        completed += 1;
      },
    });
    handover.begin();
  });

  afterEach(() => {
    handover.close();
    vi.useRealTimers();
  });

  it("shows what comes anew with its first frame, and is complete then", async () => {
    expect(handover.take(media("8", "a", "mic"))).toBe(true);
    expect(handover.take(media("9", "a", "camera"))).toBe(true);
    arrives("9", "video", 0);
    await later();
    expect(shown()).toEqual(["1", "2"]);
    arrives("8", "audio");
    await later();
    expect(shown()).toEqual(["2", "8"]);
    expect(completed).toBe(0);
    arrives("9", "video");
    await later();
    expect(shown()).toEqual(["8", "9"]);
    expect(completed).toBe(1);
  });

  it("leaves alone what was not there before", async () => {
    expect(handover.take(media("9", "a", "screen"))).toBe(false);
    expect(handover.take(media("8", "b", "camera"))).toBe(false);
    expect(handover.changed(media("8", "b", "camera"))).toBe(false);
  });

  it("does not wait for what is paused or not watched", async () => {
    handover.take(media("8", "a", "mic", true));
    expect(shown()).toEqual(["2", "8"]);
    const hidden = media("9", "a", "camera");
    handover.take(hidden);
    expect(handover.changed(hidden)).toBe(true);
    expect(shown()).toEqual(["2", "8"]);
    hidden.suspended = true;
    expect(handover.changed(hidden)).toBe(true);
    expect(shown()).toEqual(["8", "9"]);
    await later();
    expect(completed).toBe(1);
  });

  it("gives up what does not come again", async () => {
    handover.take(media("9", "a", "camera"));
    handover.remove("9");
    await later(7_900);
    expect([shown(), completed]).toEqual([["1", "2"], 0]);
    await later(200);
    expect(completed).toBe(1);
  });

  it("is silent once closed", async () => {
    handover.take(media("9", "a", "camera"));
    handover.close();
    arrives("9", "video");
    await later(10_000);
    expect([shown(), completed]).toEqual([["1", "2"], 0]);
    expect(handover.take(media("7", "a", "camera"))).toBe(false);
  });
});
