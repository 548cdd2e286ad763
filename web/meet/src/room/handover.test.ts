import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { joined, mediaAdded, type RemoteMedia, remoteMedia } from "../store/state";
import { createPageStore, type Store } from "../store/store";
import { Handover } from "./handover";

type Kind = "audio" | "video";

function media(id: string, peerId: string, source: RemoteMedia["source"], paused = false): RemoteMedia {
  return remoteMedia({ id, peerId, source, track: { id: `track-${id}` } as MediaStreamTrack, paused });
}

describe("Handover", () => {
  let store: Store;
  let report: Map<string, object>;
  let completed: number;
  let handover: Handover;

  const shown = (): string[] => Object.keys(store.getState().media).sort();
  const arrives = (id: string, kind: Kind, count = 1): void => {
    const figures =
      kind === "video" ? { framesDecoded: count, packetsReceived: 5 } : { packetsReceived: count };
    report.set(id, { type: "inbound-rtp", trackIdentifier: `track-${id}`, ...figures });
  };
  const later = (ms = 100): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    vi.useFakeTimers();
    store = createPageStore("hall", { id: "me", name: "Me" });
    store.setState(joined([{ id: "a", name: "Ada" }]));
    store.setState(mediaAdded(media("1", "a", "mic")));
    store.setState(mediaAdded(media("2", "a", "camera")));
    report = new Map();
    completed = 0;
    handover = new Handover({
      store,
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
    expect(handover.change("8", { score: 3 })).toBe(false);
  });

  it("does not wait for what is paused or not watched", async () => {
    handover.take(media("8", "a", "mic", true));
    expect(shown()).toEqual(["2", "8"]);
    handover.take(media("9", "a", "camera"));
    expect(handover.change("9", { score: 7 })).toBe(true);
    expect(handover.change("9", { unwatched: true })).toBe(true);
    expect(store.getState().media["9"]).toMatchObject({ score: 7, unwatched: true });
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
