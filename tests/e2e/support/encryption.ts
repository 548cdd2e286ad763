// End-to-end encryption as applications do it: the page's encoded frames pass a worker before they are sent and after
// they arrived. The node sees ciphertext.

import type { Browser, BrowserContext } from "@playwright/test";

// What a key does to the frames of a page: seals and opens them, or (`undefined`) leaves them alone.
export type Key = string | undefined;

// A browser whose pages encrypt with this key.
export function encrypting(browser: Browser, key: Key): Pick<Browser, "newContext"> {
  return {
    newContext: async (options): Promise<BrowserContext> => {
      const context = await browser.newContext(options);
      if (key !== undefined) await context.addInitScript(installTransforms, { key, worker: WORKER });
      return context;
    },
  };
}

export interface FrameCounts {
  sealed: number;
  opened: number;
  refused: number;
}

// Runs in the page before anything else: every sender and receiver gets a transform.
function installTransforms({ key, worker }: { key: string; worker: string }): void {
  // How many frames were sealed, opened, refused so far.
  const counts = { sealed: 0, opened: 0, refused: 0 };
  Object.assign(window, { encryption: counts });
  const url = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
  const engine = new Worker(url);
  engine.addEventListener("message", ({ data }) => {
    counts[data as keyof typeof counts] += 1;
  });
  const cover = (end: RTCRtpSender | RTCRtpReceiver, direction: "seal" | "open"): void => {
    if (!end.transform) end.transform = new RTCRtpScriptTransform(engine, { key, direction });
  };
  const { addTransceiver, setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addTransceiver = function (
    this: RTCPeerConnection,
    ...args: Parameters<typeof addTransceiver>
  ): RTCRtpTransceiver {
    const transceiver = addTransceiver.apply(this, args);
    cover(transceiver.sender, "seal");
    return transceiver;
  };
  RTCPeerConnection.prototype.setRemoteDescription = async function (
    this: RTCPeerConnection,
    description: RTCSessionDescriptionInit,
  ): Promise<void> {
    await Reflect.apply(setRemoteDescription, this, [description]);
    for (const { receiver } of this.getTransceivers()) cover(receiver, "open");
  };
}

// The worker, as text: it has no file on the node that could be loaded. AES-GCM with a random nonce behind the
// ciphertext. The first bytes stay readable, as the packetiser wants it, and are authenticated: of VP8 the frame header
// (RFC 6386 §9.1), of Opus the table of contents (RFC 6716 §3.1).
const WORKER = `
  const NONCE = 12;
  const clearBytes = (frame) => {
    if (!(frame instanceof RTCEncodedVideoFrame)) return 1;
    return frame.type === "key" ? 10 : 3;
  };
  const keyOf = async (text) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return crypto.subtle.importKey("raw", digest, "AES-GCM", false, ["encrypt", "decrypt"]);
  };
  const join = (parts) => {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(new Uint8Array(part), at);
      at += part.byteLength;
    }
    return whole.buffer;
  };
  const seal = async (frame, key) => {
    const clear = frame.data.slice(0, clearBytes(frame));
    const iv = crypto.getRandomValues(new Uint8Array(NONCE));
    const rest = frame.data.slice(clear.byteLength);
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: clear }, key, rest);
    return join([clear, sealed, iv]);
  };
  const open = async (frame, key) => {
    const clear = frame.data.slice(0, clearBytes(frame));
    const end = frame.data.byteLength - NONCE;
    const iv = frame.data.slice(end);
    const sealed = frame.data.slice(clear.byteLength, end);
    return join([clear, await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: clear }, key, sealed)]);
  };
  onrtctransform = ({ transformer }) => {
    const sealing = transformer.options.direction === "seal";
    const ready = keyOf(transformer.options.key);
    const transform = async (frame, controller) => {
      try {
        frame.data = await (sealing ? seal : open)(frame, await ready);
        controller.enqueue(frame);
        postMessage(sealing ? "sealed" : "opened");
      } catch {
        // Not for us: nothing of it reaches the decoder.
        postMessage("refused");
      }
    };
    transformer.readable.pipeThrough(new TransformStream({ transform })).pipeTo(transformer.writable);
  };
`;
