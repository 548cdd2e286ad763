import { describe, expect, it } from "vitest";
import { RequestError } from "../protoo/client";
import { parse } from "../protoo/messages";
import {
  readDemand,
  readDominant,
  readLayers,
  readNewConsumer,
  readNewDataConsumer,
  readScore,
  readVolumes,
} from "./wire";

// A notification as it comes over the wire.
function said(data: object): Record<string, unknown> {
  const message = parse(JSON.stringify({ notification: true, method: "any", data }));
  if (!message || !("notification" in message)) throw new Error("no notification");
  return message.data;
}

describe("what the server says", () => {
  it("about a new picture tells how many layers it has", () => {
    const consumer = (scalabilityMode?: string) =>
      readNewConsumer({
        peerId: "p",
        producerId: "q",
        id: "c",
        kind: "video",
        rtpParameters: { encodings: [{ ssrc: 1, scalabilityMode }] },
        appData: {},
      });
    expect(consumer("L3T2_KEY").count).toEqual({ spatial: 3, temporal: 2 });
    expect(consumer("S2T1").count).toEqual({ spatial: 2, temporal: 1 });
    expect(consumer().count).toEqual({ spatial: 1, temporal: 1 });
    expect(consumer("odd").count).toEqual({ spatial: 1, temporal: 1 });
  });

  it("about layers and scores may be nothing", () => {
    expect(readLayers(said({ spatialLayer: 1, temporalLayer: 2 }))).toEqual({ spatial: 1, temporal: 2 });
    expect(readLayers(said({ spatialLayer: null, temporalLayer: null }))).toBeUndefined();
    expect(readScore(said({ score: { score: 7, producerScore: 10, producerScores: [10] } }))).toBe(7);
    expect(readScore(said({ score: null }))).toBeUndefined();
  });

  it("about demand names the encodings that are wanted", () => {
    expect(readDemand(said({ producerId: "p", encodings: [true, false, true] }))).toEqual({
      producerId: "p",
      encodings: [true, false, true],
    });
    for (const odd of [{ producerId: "p" }, { producerId: "p", encodings: [] }, { encodings: [true] }])
      expect(() => readDemand(said(odd))).toThrow(RequestError);
  });

  it("about who can be heard is read as far as it makes sense", () => {
    const volumes = [{ peerId: "a", volume: -30 }, { peerId: "b" }, null, { peerId: 7, volume: 1 }];
    expect([...readVolumes(said({ peerVolumes: volumes }))]).toEqual([["a", -30]]);
    expect(readVolumes(said({})).size).toBe(0);
    expect(readDominant(said({ peerId: "a" }))).toBe("a");
    expect(readDominant(said({ peerId: null }))).toBeUndefined();
  });

  it("about a data channel names its writer, but for the bot", () => {
    const channel = { dataProducerId: "p", id: "c", sctpStreamParameters: { streamId: 1 }, label: "chat" };
    expect(readNewDataConsumer(said({ peerId: "a", ...channel }))).toEqual({
      peerId: "a",
      protocol: "",
      ...channel,
    });
    expect(readNewDataConsumer(said({ peerId: null, ...channel })).peerId).toBeNull();
    expect(() => readNewDataConsumer(said({ peerId: "a" }))).toThrow(RequestError);
  });
});
