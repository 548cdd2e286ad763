import { describe, expect, it } from "vitest";
import { hue, initials, randomId, randomRoom } from "./identity";
import { cleanName, cleanRoom, parseParams, shareUrl } from "./params";

describe("page parameters", () => {
  it("have defaults", () => {
    expect(parseParams("")).toEqual({
      room: undefined,
      name: undefined,
      autojoin: false,
      codec: undefined,
      simulcast: true,
      svc: undefined,
      forceTcp: false,
      forceTurn: false,
      mic: true,
      camera: true,
      view: undefined,
      peer: undefined,
      token: undefined,
      namespace: undefined,
    });
  });

  it("are read", () => {
    const search = "?room=My%20Hall&name=%20Ada%20&autojoin=1&codec=H264&simulcast=0&peer=p1";
    expect(
      parseParams(
        `${search}&svc=L2T3_KEY&forceTcp=true&forceTurn=1&mic=0&camera=false&view=grid&token=t.o.k&namespace=acme`,
      ),
    ).toEqual({
      room: "my-hall",
      name: "Ada",
      autojoin: true,
      codec: "h264",
      simulcast: false,
      svc: "L2T3_KEY",
      forceTcp: true,
      forceTurn: true,
      mic: false,
      camera: false,
      view: "grid",
      peer: "p1",
      token: "t.o.k",
      namespace: "acme",
    });
    expect(parseParams("?codec=mpeg2").codec).toBeUndefined();
    expect(parseParams("?svc=L9T9&view=sideways")).toMatchObject({ svc: undefined, view: undefined });
    expect(parseParams("?roomId=abc").room).toBe("abc");
  });

  it("keep room names speakable in every script", () => {
    expect(cleanRoom("  Große Halle / 1! ")).toBe("große-halle-1");
    expect(cleanRoom("会议室")).toBe("会议室");
    expect(cleanRoom("!?")).toBe("");
    expect(cleanName("  A \n B ")).toBe("A B");
  });

  it("lead back to the room", () => {
    expect(shareUrl({ origin: "http://x", pathname: "/" }, "a b")).toBe("http://x/?room=a%20b");
    expect(shareUrl({ origin: "http://x", pathname: "/" }, "a", "b&c")).toBe(
      "http://x/?room=a&namespace=b%26c",
    );
  });
});

describe("identity", () => {
  it("makes ids and rooms that differ", () => {
    expect(randomId()).toMatch(/^[a-z0-9]{8}$/);
    expect(randomId()).not.toBe(randomId());
    expect(cleanRoom(randomRoom())).not.toBe("");
  });

  it("gives similar ids different colours", () => {
    const hues = ["peer1", "peer2", "peer3", "peer4"].map(hue);
    expect(new Set(hues).size).toBe(4);
    expect(hue("peer1")).toBe(hue("peer1"));
  });

  it("shortens names of all kinds", () => {
    expect(initials("Ada Lovelace")).toBe("AL");
    expect(initials("ada")).toBe("A");
    expect(initials("Jean-Luc von Bremen")).toBe("JB");
    expect(initials("😀 x")).toBe("😀X");
    expect(initials("")).toBe("?");
  });
});
