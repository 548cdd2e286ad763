import { describe, expect, it } from "vitest";
import { bar, Voices } from "./voices";

const nobody = (): boolean => false;

describe("voices, as the server tells of them", () => {
  it("speak from -50 dBov on, and through the pauses between words", () => {
    const voices = new Voices();
    voices.tell(new Map([["a", -30]]));
    expect([...voices.at(0, nobody).speaking]).toEqual(["a"]);
    voices.tell(new Map([["a", -70]]));
    expect([...voices.at(800, nobody).speaking]).toEqual(["a"]);
    expect([...voices.at(901, nobody).speaking]).toEqual([]);
  });

  it("are as loud as told last", () => {
    const voices = new Voices();
    voices.tell(
      new Map([
        ["a", -15],
        ["b", -60],
      ]),
    );
    expect([...voices.at(0, nobody).volumes]).toEqual([
      ["a", 1],
      ["b", 0],
    ]);
    voices.tell(new Map());
    expect(voices.at(0, nobody).volumes.size).toBe(0);
  });

  it("of the muted are not heard, whatever was told", () => {
    const voices = new Voices();
    voices.tell(new Map([["a", -20]]));
    voices.at(0, nobody);
    const heard = voices.at(1, (peer) => peer === "a");
    expect(heard.speaking.size + heard.volumes.size).toBe(0);
  });

  it("of an earlier session are silent", () => {
    const voices = new Voices();
    voices.tell(new Map([["a", -20]]));
    voices.at(0, nobody);
    voices.silence();
    const heard = voices.at(1, nobody);
    expect(heard.speaking.size + heard.volumes.size).toBe(0);
  });
});

describe("a bar", () => {
  it("covers what speech covers", () => {
    expect([bar(-127), bar(-60), bar(-15), bar(0)]).toEqual([0, 0, 1, 1]);
    expect(bar(-37.5)).toBeCloseTo(0.5);
  });
});
