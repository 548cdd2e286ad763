// A short clip of VP9 with three spatial and three temporal layers, as Chromium encodes it: `node scripts/svc-clip.mjs FILE`.
//
// ffmpeg cannot make such a stream. Two peer connections in one page do, and what leaves the encoder is written down before it
// is packetised: an IVF file in which the layers of a picture are frames of the same time, lowest first. The pattern of
// temporal layers begins anew with each key frame and is not in the file; whoever reads it has to know it, so that a recording in
// which it is another one, or in which a layer is missing, is refused here.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";

const require = createRequire(new URL("../tests/e2e/package.json", import.meta.url));
const { chromium } = require("@playwright/test");
const FILE = process.argv[2];
const PICTURES = 40;
const PATTERN = [0, 2, 1, 2];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const page = await browser.newPage();
  await page.goto("about:blank");
  const frames = await page.evaluate(record, PICTURES);
  writeFileSync(FILE, ivf(check(frames)));
} finally {
  await browser.close();
}

/** Runs in the page. */
async function record(pictures) {
  const canvas = document.createElement("canvas");
  canvas.width = 960;
  canvas.height = 540;
  const context = canvas.getContext("2d");
  let step = 0;
  setInterval(() => {
    step += 1;
    context.fillStyle = `hsl(${step % 360} 40% 40%)`;
    context.fillRect(0, 0, 960, 540);
    for (let ball = 0; ball < 12; ball += 1) {
      context.fillStyle = `hsl(${ball * 30} 80% 60%)`;
      context.beginPath();
      const angle = step / (15 + ball) + ball;
      context.arc(480 + 400 * Math.cos(angle), 270 + 210 * Math.sin(angle * 1.3), 20 + ball, 0, 7);
      context.fill();
    }
  }, 1000 / 30);
  const near = new RTCPeerConnection({ encodedInsertableStreams: true });
  const far = new RTCPeerConnection();
  near.onicecandidate = ({ candidate }) => candidate && far.addIceCandidate(candidate);
  far.onicecandidate = ({ candidate }) => candidate && near.addIceCandidate(candidate);
  const [track] = canvas.captureStream(30).getVideoTracks();
  const { sender } = near.addTransceiver(track, {
    direction: "sendonly",
    sendEncodings: [{ scalabilityMode: "L3T1", maxBitrate: 700_000 }],
  });
  const { codecs } = RTCRtpSender.getCapabilities("video");
  near.getTransceivers()[0].setCodecPreferences(
    codecs.filter(({ mimeType, sdpFmtpLine }) => mimeType === "video/VP9" && /profile-id=0/.test(sdpFmtpLine)),
  );
  const { readable, writable } = sender.createEncodedStreams();
  const taken = [];
  const done = new Promise((resolve) => {
    const tap = new TransformStream({
      transform(frame, out) {
        const { spatialIndex, temporalIndex } = frame.getMetadata();
        const bytes = Array.from(new Uint8Array(frame.data));
        taken.push({ at: frame.timestamp, key: frame.type === "key", spatialIndex, temporalIndex, bytes });
        out.enqueue(frame);
        // All layers are there when the estimate has grown; what comes before is not looked at.
        if (taken.length > 3 * pictures * 12) resolve();
      },
    });
    readable.pipeThrough(tap).pipeTo(writable);
  });
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  // Another mode begins with a key frame; by then the path has shown what it carries, so that all layers are there.
  setTimeout(() => {
    const parameters = sender.getParameters();
    parameters.encodings[0].scalabilityMode = "L3T3";
    sender.setParameters(parameters);
  }, 8000);
  const limit = new Promise((resolve) => setTimeout(resolve, 14_000));
  await Promise.race([done, limit]);
  return taken;
}

/** The pictures from the last key frame on that has enough whole pictures behind it. */
function check(frames) {
  const pictures = [];
  for (const frame of frames) {
    const last = pictures.at(-1);
    if (last && last[0].at === frame.at) last.push(frame);
    else pictures.push([frame]);
  }
  const isWhole = (layers) => layers.length === 3 && layers.every((layer, index) => layer.spatialIndex === index);
  const begins = pictures.map((layers, index) => (layers[0].key ? index : -1)).filter((index) => index >= 0);
  for (const begin of begins.reverse()) {
    const taken = pictures.slice(begin, begin + PICTURES);
    const follows = taken.every(
      (layers, index) => isWhole(layers) && layers.every((layer) => layer.temporalIndex === PATTERN[index % 4]),
    );
    if (taken.length === PICTURES && follows) return taken;
    console.error(`from picture ${begin} of ${pictures.length}: ${taken.length} pictures, in the pattern: ${follows}`);
    console.error(taken.slice(0, 9).map((layers) => layers.map((l) => `${l.spatialIndex}.${l.temporalIndex}`).join(" ")).join(" | "));
  }
  throw new Error("no part of the recording has all layers in their pattern");
}

function ivf(pictures) {
  const head = Buffer.alloc(32);
  head.write("DKIF", 0);
  head.writeUInt16LE(32, 6);
  head.write("VP90", 8);
  head.writeUInt16LE(960, 12);
  head.writeUInt16LE(540, 14);
  head.writeUInt32LE(30, 16);
  head.writeUInt32LE(1, 20);
  head.writeUInt32LE(pictures.length * 3, 24);
  const parts = [head];
  pictures.forEach((layers, index) => {
    for (const { bytes } of layers) {
      const front = Buffer.alloc(12);
      front.writeUInt32LE(bytes.length, 0);
      front.writeUInt32LE(index, 4);
      parts.push(front, Buffer.from(bytes));
    }
  });
  return Buffer.concat(parts);
}
