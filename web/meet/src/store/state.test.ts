import { beforeEach, describe, expect, it } from "vitest";
import {
  dismissed,
  ended,
  initialState,
  joined,
  knocksChanged,
  type Link,
  left,
  linked,
  mediaAdded,
  mediaChanged,
  mediaRemoved,
  mediaReplaced,
  NOBODY,
  noticed,
  type Peer,
  peerChanged,
  peerJoined,
  peerLeft,
  type RemoteMedia,
  remoteMedia,
  type State,
  selfChanged,
} from "./state";
import { staged, type Tile, tiles } from "./tiles";

const speaker = { role: "speaker", hand: false } as const;
const ada: Peer = { id: "a", name: "Ada", ...speaker };
const bo: Peer = { id: "b", name: "Bo", ...speaker };
const UP: Link = { state: "up", attempt: 0, retryAt: 0 };

function track(id: string): MediaStreamTrack {
  return { id } as MediaStreamTrack;
}

function media(id: string, peerId: string, source: RemoteMedia["source"], paused = false): RemoteMedia {
  return remoteMedia({ id, peerId, source, track: track(`${id}-track`), paused });
}

describe("state", () => {
  let state: State;

  const apply = (...steps: ((state: State) => Partial<State>)[]): void => {
    for (const step of steps) state = { ...state, ...step(state) };
  };

  beforeEach(() => {
    state = initialState("hall", { id: "me", name: "Me" });
  });

  // A meeting with these people in it.
  const live = (...peers: Peer[]): void => apply(...peers.map(peerJoined), linked(UP), joined());

  it("does not announce who was there before", () => {
    live(ada, bo);
    expect(state.phase).toBe("live");
    expect(state.peers).toEqual([ada, bo]);
    expect(state.announcement).toBe("");
  });

  it("shows what comes anew in the place of what was there of the same source", () => {
    live(ada, bo);
    apply(mediaAdded(media("1", "a", "camera")), mediaAdded(media("2", "b", "mic")));
    apply(mediaReplaced(media("9", "a", "camera")));
    expect(Object.keys(state.media).sort()).toEqual(["2", "9"]);
  });

  it("keeps showing who was there while the connection is away", () => {
    live(ada);
    apply(linked({ state: "down", attempt: 2, retryAt: 99 }));
    expect(state.phase).toBe("live");
    expect(state.peers).toEqual([ada]);
    expect(state.link).toEqual({ state: "down", attempt: 2, retryAt: 99 });
  });

  it("says who raises a hand, once", () => {
    live(ada);
    apply(peerChanged({ ...ada, hand: true }));
    expect(state.announcement).toBe("Ada raises a hand");
    apply(mediaAdded(media("1", "a", "screen")), peerChanged({ ...ada, hand: true, role: "host" }));
    expect(state.announcement).toBe("Ada shares a screen");
    expect(state.peers[0]?.role).toBe("host");
  });

  it("says who waits at the door", () => {
    live();
    apply(knocksChanged([{ id: "c", name: "Cy" }]));
    expect(state.announcement).toBe("Cy waits to be let in");
    apply(knocksChanged([]));
    expect(state.knocks).toEqual([]);
  });

  it("has the name that the server gives", () => {
    live();
    const self = { ...NOBODY, host: true, role: "host" as const };
    apply(selfChanged(self, "Ada L."), selfChanged(self, ""));
    expect(state.me).toEqual({ id: "me", name: "Ada L." });
    expect(state.self.host).toBe(true);
  });

  it("has everybody once, and says who comes and goes", () => {
    live(ada);
    apply(peerJoined(bo), peerJoined({ ...ada, name: "Ada again" }));
    expect(state.peers.map(({ name }) => name)).toEqual(["Ada again", "Bo"]);
    expect(state.announcement).toBe("Bo joined");
    apply(peerChanged({ ...bo, name: "Bob" }), peerLeft("b"));
    expect(state.announcement).toBe("Bob left");
    apply(peerLeft("unknown"));
    expect(state.announcement).toBe("Bob left");
  });

  it("takes the media of people away with them", () => {
    live(ada, bo);
    apply(
      mediaAdded(media("1", "a", "mic")),
      mediaAdded(media("2", "b", "mic")),
      (before) => ({ ...before, pinned: "a/camera" }),
      peerLeft("a"),
    );
    expect(Object.keys(state.media)).toEqual(["2"]);
    expect(state.pinned).toBeUndefined();
  });

  it("changes only media that it knows", () => {
    live(ada);
    apply(mediaAdded(media("1", "a", "camera")), mediaChanged("1", { paused: true }));
    expect(state.media["1"]?.paused).toBe(true);
    apply(mediaChanged("2", { paused: true }), mediaRemoved("1"), mediaRemoved("1"));
    expect(state.media).toEqual({});
  });

  it("shows few notices, and each once", () => {
    const one = (id: number, title: string) => noticed({ id, tone: "info", title, hint: "" });
    apply(one(1, "A"), one(2, "B"), one(3, "A"), one(4, "C"), one(5, "D"));
    expect(state.notices.map(({ id }) => id)).toEqual([3, 4, 5]);
    apply(dismissed(4));
    expect(state.notices.map(({ id }) => id)).toEqual([3, 5]);
  });

  it("forgets the meeting when it ends", () => {
    live(ada);
    apply(mediaAdded(media("1", "a", "mic")), ended({ title: "Out", hint: "" }));
    expect(state).toMatchObject({ phase: "ended", peers: [], media: {}, ended: { title: "Out" } });
    apply(left());
    expect(state.phase).toBe("lobby");
  });

  describe("tiles", () => {
    it("are people in the order of their coming, oneself last", () => {
      live(ada, bo);
      expect(tiles(state).map(({ id }) => id)).toEqual(["a/camera", "b/camera", "me/camera"]);
    });

    it("show who is muted and who has no picture", () => {
      live(ada, bo);
      apply(
        mediaAdded(media("1", "a", "mic")),
        mediaAdded(media("2", "a", "camera")),
        mediaAdded(media("3", "b", "mic", true)),
        mediaAdded(media("4", "b", "camera", true)),
      );
      const [first, second] = tiles(state);
      expect(first).toMatchObject({ muted: false, video: { id: "2-track" }, audio: { id: "1-track" } });
      expect(second).toMatchObject({ muted: true, video: undefined, audio: { id: "3-track" } });
    });

    it("put screens of others on the stage, unless somebody chose otherwise", () => {
      live(ada);
      apply(mediaAdded(media("1", "a", "screen")), (before) => ({
        screen: { ...before.screen, track: track("mine"), on: true },
      }));
      const all = tiles(state);
      expect(all.map(({ id }) => id)).toEqual(["a/screen", "me/screen", "a/camera", "me/camera"]);
      const on = (tiles: Tile[], pinned?: string) =>
        staged(tiles, { pinned, dominant: undefined, view: "speaker" })?.id;
      expect(on(all)).toBe("a/screen");
      expect(on(all, "me/camera")).toBe("me/camera");
      expect(on(all, "gone")).toBe("a/screen");
      expect(on(all.slice(2))).toBeUndefined();
    });

    it("put who has the floor on the stage, if there are several and nothing else is there", () => {
      live(ada, bo);
      const on = (change: Partial<State> = {}) =>
        staged(tiles(state), { pinned: undefined, dominant: "b", view: "speaker", ...change })?.id;
      expect(on()).toBe("b/camera");
      expect(on({ pinned: "a/camera" })).toBe("a/camera");
      expect(on({ dominant: undefined })).toBeUndefined();
      expect(on({ dominant: "gone" })).toBeUndefined();
      expect(on({ view: "grid" })).toBeUndefined();
      apply(mediaAdded(media("1", "a", "screen")));
      expect(on()).toBe("a/screen");
      apply(peerLeft("a"));
      expect(on()).toBeUndefined();
    });
  });
});
