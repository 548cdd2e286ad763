import { describe, expect, it } from "vitest";
import { browser } from "./browser";
import { hue, initials, randomId, randomRoom } from "./identity";
import { cleanName, cleanRoom, parseParams, shareUrl, signallingUrl } from "./params";

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
      mic: true,
      camera: true,
      view: undefined,
      peer: undefined,
    });
  });

  it("are read", () => {
    const search = "?room=My%20Hall&name=%20Ada%20&autojoin=1&codec=H264&simulcast=0&peer=p1";
    expect(parseParams(`${search}&svc=L2T3_KEY&forceTcp=true&mic=0&camera=false&view=grid`)).toEqual({
      room: "my-hall",
      name: "Ada",
      autojoin: true,
      codec: "h264",
      simulcast: false,
      svc: "L2T3_KEY",
      forceTcp: true,
      mic: false,
      camera: false,
      view: "grid",
      peer: "p1",
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

  it("lead to the server that the page came from", () => {
    expect(signallingUrl({ protocol: "https:", host: "x:1" }, "a b", "p&q")).toBe(
      "wss://x:1/protoo?roomId=a%20b&peerId=p%26q",
    );
    expect(signallingUrl({ protocol: "http:", host: "x" }, "r", "p")).toBe("ws://x/protoo?roomId=r&peerId=p");
    expect(shareUrl({ origin: "http://x", pathname: "/" }, "a b")).toBe("http://x/?room=a%20b");
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

describe("browser", () => {
  it("is recognised where several names are given", () => {
    const chrome = "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
    expect(browser(chrome)).toEqual({ flag: "chrome", name: "Chrome", version: "156.0.0.0" });
    expect(browser(`${chrome} Edg/156.0.1.2`).flag).toBe("edge");
    expect(browser("Mozilla/5.0 (Macintosh) AppleWebKit/605 Version/26.1 Safari/605").flag).toBe("safari");
    expect(browser("curl/8").flag).toBe("unknown");
  });
});
