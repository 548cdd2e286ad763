import { describe, expect, it } from "vitest";
import { activate } from "./demand.js";
import { cameraEncodings, coding, videoCodec } from "./encodings.js";
import { formatBitrate, StatsReader } from "./stats.js";

describe("StatsReader", () => {
  const inbound = (timestamp: number, change: object): [string, unknown] => [
    "in",
    {
      id: "in",
      type: "inbound-rtp",
      kind: "video",
      trackIdentifier: "t",
      codecId: "c",
      timestamp,
      ...change,
    },
  ];
  const codec: [string, unknown] = ["c", { id: "c", type: "codec", mimeType: "video/VP8" }];

  it("makes rates of growing counters", () => {
    const reader = new StatsReader();
    reader.read([codec, inbound(1000, { bytesReceived: 1000, packetsReceived: 10, packetsLost: 0 })]);
    const stats = reader
      .read([
        codec,
        inbound(2000, {
          bytesReceived: 126_000,
          packetsReceived: 100,
          packetsLost: 10,
          frameWidth: 640,
          frameHeight: 360,
          framesPerSecond: 29.7,
          framesDecoded: 30,
        }),
      ])
      .get("t");
    expect(stats).toMatchObject({
      bitrate: 1_000_000,
      loss: 10,
      width: 640,
      height: 360,
      fps: 30,
      codec: "VP8",
    });
  });

  it("is not confused by packets that turn up after having been counted as lost", () => {
    const reader = new StatsReader();
    reader.read([inbound(1000, { packetsReceived: 10, packetsLost: 5 })]);
    expect(reader.read([inbound(2000, { packetsReceived: 20, packetsLost: 2 })]).get("t")?.loss).toBe(0);
  });

  it("adds the layers of a simulcast track up and shows the largest picture", () => {
    const reader = new StatsReader();
    const report = (timestamp: number, bytes: number): [string, unknown][] => [
      ["s", { id: "s", type: "media-source", kind: "video", trackIdentifier: "t", timestamp }],
      ...[180, 360, 720].map((height, index): [string, unknown] => {
        const id = `o${index}`;
        const rest = { mediaSourceId: "s", timestamp, frameHeight: height, frameWidth: (height * 16) / 9 };
        return [id, { id, type: "outbound-rtp", kind: "video", rid: `r${index}`, bytesSent: bytes, ...rest }];
      }),
    ];
    reader.read(report(1000, 0));
    expect(reader.read(report(2000, 12_500)).get("t")).toMatchObject({
      bitrate: 300_000,
      height: 720,
      layers: ["r2 720p", "r1 360p", "r0 180p"],
    });
  });

  it("tells which encodings of a picture are off", () => {
    const reader = new StatsReader();
    const report = (timestamp: number, bytes: number): [string, unknown][] => [
      ["s", { id: "s", type: "media-source", kind: "video", trackIdentifier: "t", timestamp }],
      ...[true, false].map((active, index): [string, unknown] => {
        const id = `o${index}`;
        const rest = { mediaSourceId: "s", timestamp, frameHeight: 180, active, rid: `r${index}` };
        return [id, { id, type: "outbound-rtp", kind: "video", bytesSent: active ? bytes : 0, ...rest }];
      }),
    ];
    expect(reader.read(report(1000, 0)).get("t")?.layers).toEqual(["r1 off", "r0 idle"]);
    expect(reader.read(report(2000, 999)).get("t")?.layers).toEqual(["r1 off", "r0 180p"]);
  });

  it("hears the loudness between two looks, of others and of oneself", () => {
    const reader = new StatsReader();
    const report = (time: number, energy: number): [string, unknown][] => [
      [
        "in",
        {
          id: "in",
          type: "inbound-rtp",
          kind: "audio",
          trackIdentifier: "t",
          timestamp: time,
          totalAudioEnergy: energy,
          totalSamplesDuration: time / 1000,
        },
      ],
      ["o", { id: "o", type: "outbound-rtp", kind: "audio", mediaSourceId: "s", timestamp: time }],
      [
        "s",
        {
          id: "s",
          type: "media-source",
          kind: "audio",
          trackIdentifier: "mine",
          timestamp: time,
          totalAudioEnergy: energy,
          totalSamplesDuration: time / 1000,
        },
      ],
    ];
    reader.read(report(1000, 0));
    const stats = reader.read(report(2000, 0.25));
    expect(stats.get("t")?.level).toBeCloseTo(0.5);
    expect(stats.get("mine")?.level).toBeCloseTo(0.5);
    expect(reader.read(report(3000, 0.25)).get("t")?.level).toBe(0);
  });

  it("writes rates the way people read them", () => {
    expect(formatBitrate(1_234_567)).toBe("1.2 Mb/s");
    expect(formatBitrate(45_400)).toBe("45 kb/s");
  });
});

describe("encodings", () => {
  const capabilities = {
    codecs: ["audio/opus", "video/VP8", "video/rtx", "video/VP9", "video/H264", "video/AV1"].map(
      (mimeType) => ({
        mimeType,
        kind: mimeType.split("/")[0] as "audio" | "video",
        clockRate: 90_000,
        preferredPayloadType: 100,
        parameters: {},
        rtcpFeedback: [],
      }),
    ),
  };

  it("take the first video codec, or the one that was asked for", () => {
    expect(videoCodec(capabilities, undefined)?.mimeType).toBe("video/VP8");
    expect(videoCodec(capabilities, "av1")?.mimeType).toBe("video/AV1");
    expect(videoCodec({ codecs: [] }, "vp8")).toBeUndefined();
  });

  it("have three sizes in three streams, or in one where the codec can", () => {
    const usual = { simulcast: true, svc: undefined };
    expect(cameraEncodings("video/VP8", usual).map(({ rid }) => rid)).toEqual(["r0", "r1", "r2"]);
    expect(cameraEncodings("video/H264", usual)).toHaveLength(3);
    for (const codec of ["video/VP9", "video/AV1"]) {
      expect(cameraEncodings(codec, usual).map(({ scalabilityMode }) => scalabilityMode)).toEqual([
        "L3T3_KEY",
      ]);
      const [two] = cameraEncodings(codec, { ...usual, svc: "L2T2" });
      expect(two?.scalabilityMode).toBe("L2T2");
    }
  });

  it("have one size if that is wanted", () => {
    for (const codec of ["video/VP8", "video/H264", "video/VP9", "video/AV1"]) {
      const modes = cameraEncodings(codec, { simulcast: false, svc: undefined });
      expect(modes.map(({ scalabilityMode }) => scalabilityMode)).toEqual(["L1T3"]);
    }
  });
});

describe("coding", () => {
  const codec = {
    kind: "video",
    mimeType: "video/VP8",
    clockRate: 90_000,
    preferredPayloadType: 96,
  } as const;
  const rates = (source: string, options = {}): unknown[] =>
    (coding({ kind: "video", source, options }, codec).encodings ?? []).map(({ maxBitrate }) => maxBitrate);

  it("fits what is sent, and what it may cost", () => {
    expect(rates("camera")).toEqual([150_000, 500_000, 1_500_000]);
    expect(rates("camera", { maxBitrate: 300_000 })).toEqual([150_000, 300_000, 300_000]);
    expect(rates("camera", { layers: "one" })).toHaveLength(1);
    expect(rates("screen")).toHaveLength(1);
    expect(
      coding({ kind: "audio", source: "screen-audio", options: {} }, undefined).codecOptions,
    ).toMatchObject({
      opusStereo: true,
    });
    expect(() => coding({ kind: "video", source: "camera", options: {} }, undefined)).toThrow("codec");
  });
});

describe("demand", () => {
  const sender = (...active: boolean[]) => {
    const state = { encodings: active.map((one) => ({ active: one })), calls: 0 };
    return {
      state,
      getParameters: () => ({ encodings: structuredClone(state.encodings) }) as RTCRtpSendParameters,
      setParameters: async ({ encodings }: RTCRtpSendParameters) => {
        state.encodings = encodings as typeof state.encodings;
        state.calls += 1;
      },
    };
  };
  const on = ({ state }: ReturnType<typeof sender>): boolean[] => state.encodings.map(({ active }) => active);

  it("switches what is wanted on and everything else off", async () => {
    const one = sender(true, true, true);
    await activate(one, [true, false, false]);
    expect(on(one)).toEqual([true, false, false]);
    await activate(one, [false, false, false]);
    expect(on(one)).toEqual([false, false, false]);
    await activate(one, [false, false, true]);
    expect(on(one)).toEqual([false, false, true]);
  });

  it("keeps one stream with layers inside as long as anybody wants any of them", async () => {
    const one = sender(true);
    await activate(one, [true, false, false]);
    expect(on(one)).toEqual([true]);
    await activate(one, [false]);
    expect(on(one)).toEqual([false]);
    await activate(one, [false, true]);
    expect(on(one)).toEqual([true]);
  });

  it("leaves alone what nothing was said about, and what is right already", async () => {
    const one = sender(true, true, true);
    await activate(one, [true]);
    expect(one.state.calls).toBe(0);
    await activate(one, [false]);
    expect(on(one)).toEqual([false, true, true]);
  });
});
