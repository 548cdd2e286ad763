import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Attachments } from "./attach.js";
import type { RemoteTrack } from "./remote.js";

class FakeStream {
  readonly tracks: unknown[];

  constructor(tracks: unknown[]) {
    this.tracks = [...tracks];
  }

  getTracks(): unknown[] {
    return [...this.tracks];
  }

  addTrack(track: unknown): void {
    if (!this.tracks.includes(track)) this.tracks.push(track);
  }

  removeTrack(track: unknown): void {
    this.tracks.splice(this.tracks.indexOf(track), 1);
  }
}

type Seen = (entries: { target: unknown; isIntersecting: boolean }[]) => void;

describe("Attachments", () => {
  let seen: Seen;
  let changes: number;
  let attachments: Attachments;

  const element = (clientWidth: number, clientHeight: number): HTMLVideoElement =>
    ({ srcObject: null, clientWidth, clientHeight, play: async () => undefined }) as never;
  const remote = (id: string, key = "ada/camera", kind = "video"): RemoteTrack =>
    ({ id, key, peerId: key.split("/")[0], kind, track: `track-${id}` }) as never;
  const playing = (video: HTMLVideoElement): unknown => (video.srcObject as unknown as FakeStream)?.tracks;
  const place = (): unknown => attachments.view().get("ada/camera");

  beforeEach(() => {
    changes = 0;
    vi.stubGlobal("MediaStream", FakeStream);
    vi.stubGlobal(
      "IntersectionObserver",
      class {
        constructor(told: Seen) {
          seen = told;
        }
        observe(): void {}
        unobserve(): void {}
        disconnect(): void {}
      },
    );
    vi.stubGlobal(
      "ResizeObserver",
      class {
        observe(): void {}
        unobserve(): void {}
        disconnect(): void {}
      },
    );
    attachments = new Attachments(() => {
      changes += 1;
    });
  });

  afterEach(() => vi.unstubAllGlobals());

  it("tells the largest place that can be seen", () => {
    const small = element(160, 90);
    const large = element(640, 360);
    attachments.attach(remote("1"), small, {});
    attachments.attach(remote("1"), large, { staged: true });
    expect(place()).toEqual({ width: 640, height: 360, staged: true });
    seen([{ target: large, isIntersecting: false }]);
    expect(place()).toEqual({ width: 160, height: 90, staged: false });
    seen([{ target: small, isIntersecting: false }]);
    expect(place()).toEqual({ width: 0, height: 0, staged: false });
    expect(changes).toBe(4);
  });

  it("plays on with what follows, in the same stream", () => {
    const video = element(640, 360);
    attachments.attach(remote("1"), video, {});
    const stream = video.srcObject;
    attachments.follow(remote("2"));
    expect(video.srcObject).toBe(stream);
    expect(playing(video)).toEqual(["track-2"]);
    attachments.follow(remote("3", "bob/camera"));
    expect(playing(video)).toEqual(["track-2"]);
    attachments.gone(remote("2"));
    expect(playing(video)).toEqual([]);
  });

  it("asks for nothing of what is shown no more, and says nothing of sound", () => {
    const video = element(640, 360);
    const detach = attachments.attach(remote("1"), video, {});
    attachments.attach(remote("2", "ada/microphone", "audio"), element(0, 0), {});
    detach();
    detach();
    expect(video.srcObject).toBeNull();
    expect([...attachments.view()]).toEqual([["ada/camera", { width: 0, height: 0, staged: false }]]);
  });

  it("forgets those who have left, and knows who comes back", () => {
    const video = element(640, 360);
    attachments.attach(remote("1"), element(160, 90), {})();
    attachments.attach(remote("2", "bob/camera"), video, {})();
    const detach = attachments.attach(remote("3", "cy/camera"), video, {});
    attachments.forget("ada");
    attachments.forget("cy");
    expect([...attachments.view().keys()].sort()).toEqual(["bob/camera", "cy/camera"]);
    attachments.follow(remote("4", "cy/camera"));
    detach();
    expect([...attachments.view().keys()].sort()).toEqual(["bob/camera", "cy/camera"]);
    attachments.forget("cy");
    expect([...attachments.view().keys()]).toEqual(["bob/camera"]);
  });
});
