import { beforeEach, describe, expect, it } from "vitest";
import {
  disconnected,
  dismissed,
  ended,
  initialState,
  joined,
  left,
  linkState,
  mediaAdded,
  mediaChanged,
  mediaRemoved,
  mediaReplaced,
  noticed,
  onlyKept,
  peerJoined,
  peerLeft,
  peerRenamed,
  type RemoteMedia,
  rejoined,
  remoteMedia,
  type State,
} from "./state";
import { staged, type Tile, tiles } from "./tiles";

const ada = { id: "a", name: "Ada" };
const bo = { id: "b", name: "Bo" };

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

  it("knows nothing but what the last join answered", () => {
    apply(joined([ada]), mediaAdded(media("1", "a", "mic")), disconnected(1, 5), joined([bo]));
    expect(state.peers).toEqual([bo]);
    expect(state.media).toEqual({});
    expect(state.link.state).toBe("up");
  });

  it("keeps people and their media when the room has moved, until it is known who came along", () => {
    apply(joined([ada, bo]), mediaAdded(media("1", "a", "camera")), mediaAdded(media("2", "b", "mic")));
    const said = state.announcement;
    apply(rejoined([{ id: "c", name: "Cy" }, bo]), peerJoined(ada));
    expect(state.peers.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect(Object.keys(state.media)).toEqual(["1", "2"]);
    apply(mediaReplaced(media("9", "a", "camera")));
    expect(Object.keys(state.media).sort()).toEqual(["2", "9"]);
    expect(state.announcement).toBe(said);
    apply((before) => ({ ...before, pinned: "b/camera" }), onlyKept(new Set(["a", "c"]), new Set(["9"])));
    expect(state.peers.map(({ id }) => id)).toEqual(["a", "c"]);
    expect(Object.keys(state.media)).toEqual(["9"]);
    expect(state.pinned).toBeUndefined();
    expect(state.announcement).toBe("Bo left");
  });

  it("keeps showing who was there while the connection is away", () => {
    apply(joined([ada]), disconnected(2, 99));
    expect(state.phase).toBe("live");
    expect(state.peers).toEqual([ada]);
    expect(state.link).toEqual({ state: "down", attempt: 2, retryAt: 99 });
  });

  it("does not mistake returning media for a returning connection", () => {
    apply(joined([]), disconnected(1, 0), linkState("up"));
    expect(state.link.state).toBe("down");
    apply(joined([]), linkState("weak"));
    expect(state.link.state).toBe("weak");
  });

  it("has everybody once, and says who comes and goes", () => {
    apply(joined([ada]), peerJoined(bo), peerJoined({ id: "a", name: "Ada again" }));
    expect(state.peers.map(({ name }) => name)).toEqual(["Ada again", "Bo"]);
    expect(state.announcement).toBe("Bo joined");
    apply(peerRenamed("b", "Bob"), peerLeft("b"));
    expect(state.announcement).toBe("Bob left");
    apply(peerLeft("unknown"));
    expect(state.announcement).toBe("Bob left");
  });

  it("takes the media of people away with them", () => {
    apply(
      joined([ada, bo]),
      mediaAdded(media("1", "a", "mic")),
      mediaAdded(media("2", "b", "mic")),
      (before) => ({ ...before, pinned: "a/camera" }),
      peerLeft("a"),
    );
    expect(Object.keys(state.media)).toEqual(["2"]);
    expect(state.pinned).toBeUndefined();
  });

  it("changes only media that it knows", () => {
    apply(joined([ada]), mediaAdded(media("1", "a", "camera")), mediaChanged("1", { paused: true }));
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
    apply(joined([ada]), mediaAdded(media("1", "a", "mic")), ended({ title: "Out", hint: "" }));
    expect(state).toMatchObject({ phase: "ended", peers: [], media: {}, ended: { title: "Out" } });
    apply(left());
    expect(state.phase).toBe("lobby");
  });

  describe("tiles", () => {
    it("are people in the order of their coming, oneself last", () => {
      apply(joined([ada, bo]));
      expect(tiles(state).map(({ id }) => id)).toEqual(["a/camera", "b/camera", "me/camera"]);
    });

    it("show who is muted and who has no picture", () => {
      apply(
        joined([ada, bo]),
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
      apply(joined([ada]), mediaAdded(media("1", "a", "screen")), (before) => ({
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
      apply(joined([ada, bo]));
      const on = (change: Partial<State> = {}) =>
        staged(tiles(state), { pinned: undefined, dominant: "b", view: "speaker", ...change })?.id;
      expect(on()).toBe("b/camera");
      expect(on({ pinned: "a/camera" })).toBe("a/camera");
      expect(on({ dominant: undefined })).toBeUndefined();
      expect(on({ dominant: "gone" })).toBeUndefined();
      expect(on({ view: "grid" })).toBeUndefined();
      apply(mediaAdded(media("1", "a", "screen")));
      expect(on()).toBe("a/screen");
      apply(joined([bo]));
      expect(on()).toBeUndefined();
    });
  });
});
