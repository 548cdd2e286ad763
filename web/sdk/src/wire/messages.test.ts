import { describe, expect, it } from "vitest";
import { RequestError } from "../errors.js";
import {
  readDemand,
  readGrants,
  readJoined,
  readLayers,
  readNewConsumer,
  readNewDataConsumer,
  readPeers,
  readRoomState,
  readScore,
  readSpeaker,
  readVolumes,
  readWelcome,
} from "./messages.js";

describe("what the server says", () => {
  it("about a new picture tells how many layers it has", () => {
    const consumer = (scalabilityMode?: string) =>
      readNewConsumer({
        consumerId: "c",
        peerId: "p",
        producerId: "q",
        kind: "video",
        rtpParameters: { encodings: [{ ssrc: 1, scalabilityMode }] },
        consumerScore: { score: 7, producerScore: 9, producerScores: [9] },
      });
    expect(consumer().count).toEqual({ spatial: 1, temporal: 1 });
    expect(consumer("L3T2_KEY").count).toEqual({ spatial: 3, temporal: 2 });
    expect(consumer()).toMatchObject({ id: "c", producerPaused: false, score: 7, appData: {} });
    expect(() => readNewConsumer({ consumerId: "c" })).toThrow(RequestError);
  });

  it("about a channel of nobody means the bot", () => {
    const data = { dataConsumerId: "d", dataProducerId: "e", sctpStreamParameters: {} };
    expect(readNewDataConsumer(data)).toMatchObject({ peerId: null, label: "", protocol: "" });
    expect(readNewDataConsumer({ ...data, peerId: "ada", label: "chat" }).peerId).toBe("ada");
  });

  it("about layers and scores may say that there are none", () => {
    expect(readLayers({ layers: { spatialLayer: 1, temporalLayer: 2 } })).toEqual({
      spatial: 1,
      temporal: 2,
    });
    expect(readLayers({ layers: { spatialLayer: 1 } })).toEqual({ spatial: 1, temporal: 0 });
    expect(readLayers({})).toBeUndefined();
    expect(readScore({ score: { score: 3 } })).toBe(3);
    expect(readScore({})).toBeUndefined();
  });

  it("about demand counts as wanted unless it says no", () => {
    expect(readDemand({ producerId: "p", encodings: [true, false, null] })).toEqual({
      producerId: "p",
      encodings: [true, false, true],
    });
    expect(() => readDemand({ producerId: "p", encodings: [] })).toThrow(RequestError);
  });

  it("about voices is taken as far as it makes sense", () => {
    const peerVolumes = [{ peerId: "a", volume: -30 }, { peerId: "b" }, null, 7];
    expect([...readVolumes({ peerVolumes })]).toEqual([["a", -30]]);
    expect(readVolumes({}).size).toBe(0);
    expect([readSpeaker({ peerId: "a" }), readSpeaker({})]).toEqual(["a", undefined]);
  });

  it("about people has a role and a name for each of them", () => {
    const [peer] = readPeers({ peers: [{ peerId: "a", role: "king", producers: [{ producerId: "p" }] }, 5] });
    expect(peer).toMatchObject({ peerId: "a", displayName: "", role: "speaker", handRaised: false });
    expect(peer?.producers).toEqual([{ producerId: "p", kind: "video", appData: {}, paused: false }]);
    expect(readJoined({ role: "host" })).toEqual({ peers: [], role: "host", grants: undefined });
  });

  it("about the room leaves nothing of before", () => {
    expect(readRoomState({ locked: true, metadata: null })).toEqual({
      locked: true,
      lobby: false,
      maxPeers: undefined,
      metadata: undefined,
    });
  });

  it("about rights names those that there are", () => {
    expect(readGrants({ publish: ["audio", "smoke"], subscribe: false, admin: true })).toEqual({
      publish: ["audio"],
      subscribe: false,
      hidden: false,
      admin: true,
      record: false,
    });
  });

  it("at first may leave out what this client may not have", () => {
    const welcome = readWelcome({
      peerId: "ada",
      routerRtpCapabilities: {},
      transports: { recv: { transportId: "r" } },
      room: { name: "hall", namespace: "default" },
    });
    expect(welcome).toMatchObject({ role: undefined, send: undefined, peers: [], iceServers: [] });
    expect(welcome.recv?.id).toBe("r");
    expect(() => readWelcome({ peerId: "ada" })).toThrow(RequestError);
  });
});
