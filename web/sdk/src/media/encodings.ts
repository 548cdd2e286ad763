// How tracks are encoded for sending.

import type { types } from "mediasoup-client";
import type { LocalTrack } from "../local.js";

type Encoding = types.RtpEncodingParameters;

export type VideoCodec = "vp8" | "vp9" | "h264" | "av1";

// Three sizes of the camera picture, smallest first. At 720p that is 180p, 360p and 720p; the rates are what VP8
// needs for a talking head at 30 frames per second.
const CAMERA_LAYERS: Encoding[] = [
  { rid: "r0", scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: "L1T3" },
  { rid: "r1", scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: "L1T3" },
  { rid: "r2", scaleResolutionDownBy: 1, maxBitrate: 1_500_000, scalabilityMode: "L1T3" },
];

const CAMERA_SINGLE = { maxBitrate: 1_500_000, scalabilityMode: "L1T3" };

// Three sizes inside one stream, for the codecs that can. "_KEY": an upper layer leans on a lower one in key frames
// only, so whoever receives it does without the frames of those below.
const CAMERA_SVC = "L3T3_KEY";

const SCREEN: Encoding[] = [{ maxBitrate: 2_500_000, dtx: true }];

export interface Layering {
  // False: one size only.
  simulcast: boolean;
  // The mode of codecs with layers inside a stream, if it is not to be the usual one.
  svc: string | undefined;
}

// Simulcast for the codecs whose encoders offer nothing better; VP9 and AV1 send one stream with layers inside.
export function cameraEncodings(mimeType: string, { simulcast, svc }: Layering): Encoding[] {
  const codec = mimeType.toLowerCase();
  if (!simulcast) return [{ ...CAMERA_SINGLE }];
  if (codec === "video/vp8" || codec === "video/h264") return structuredClone(CAMERA_LAYERS);
  return [{ ...CAMERA_SINGLE, scalabilityMode: svc ?? CAMERA_SVC }];
}

export function screenEncodings(): Encoding[] {
  return structuredClone(SCREEN);
}

// The codec to send video with: the forced one, or the server's first. Undefined if the two sides do not share it.
export function videoCodec(
  capabilities: types.RtpCapabilities,
  forced: VideoCodec | undefined,
): types.RtpCodecCapability | undefined {
  return capabilities.codecs?.find((codec) => {
    const mime = codec.mimeType.toLowerCase();
    if (codec.kind !== "video" || mime === "video/rtx") return false;
    return forced === undefined || mime === `video/${forced}`;
  });
}

const AUDIO = { opusDtx: true, opusFec: true, opusNack: true };
// Screens play films and music.
const STEREO = { ...AUDIO, opusStereo: true, opusDtx: false };
// Kilobit/s to begin with: the picture is not a blur until the bandwidth is known.
const VIDEO = { videoGoogleStartBitrate: 1000 };

// How a track of one's own is coded.
export function coding(
  { kind, source, options }: Pick<LocalTrack, "kind" | "source" | "options">,
  codec: types.RtpCodecCapability | undefined,
): types.ProducerOptions {
  if (kind === "audio") return { codecOptions: source === "screen-audio" ? STEREO : AUDIO };
  if (!codec) throw new Error("The server does not offer the video codec that was asked for.");
  const { layers, svc, maxBitrate } = options;
  const encodings =
    source === "screen"
      ? screenEncodings()
      : cameraEncodings(codec.mimeType, { simulcast: layers !== "one", svc });
  if (maxBitrate !== undefined) limit(encodings, maxBitrate);
  return { codec, codecOptions: VIDEO, encodings };
}

// The largest size gets what is left; smaller ones stay below it.
function limit(encodings: types.RtpEncodingParameters[], maxBitrate: number): void {
  for (const encoding of encodings)
    encoding.maxBitrate = Math.min(encoding.maxBitrate ?? maxBitrate, maxBitrate);
}
