// Pages that speak WHIP and WHEP by hand, and know nothing else of this server.

import { type Browser, expect, type Page } from "@playwright/test";
import type { Hall } from "./hall";
import { installSender, PLAIN, readPicture, readTone, type Seen, signalOf } from "./signals";
import { PATIENCE, type StatsEntry } from "./visitor";

// What a page keeps for its later requests.
interface Kept {
  connection: RTCPeerConnection;
  location: string;
  etag: string;
}

type Window = typeof globalThis & { kept: Kept; video?: HTMLVideoElement };

// What a session's making was answered.
export interface Made {
  status: number;
  location: string | null;
  etag: string | null;
  answer: string;
}

export class HttpPeer {
  readonly page: Page;
  readonly made: Made;

  private constructor(page: Page, made: Made) {
    this.page = page;
    this.made = made;
  }

  // Somebody whose camera shows the picture of `peer` publishes in a room.
  static async publishes(
    browser: Browser,
    hall: Hall,
    room: string,
    peer: string,
    rids: string[] = [],
  ): Promise<HttpPeer> {
    const page = await (await browser.newContext()).newPage();
    await page.addInitScript(installSender, {
      camera: signalOf(peer, "camera"),
      screen: signalOf(peer, "screen"),
      picture: PLAIN,
    });
    await page.goto(`${hall.url}/healthz`);
    const url = `/whip/${room}?peer=${peer}&displayName=${peer}`;
    return new HttpPeer(page, await page.evaluate(publish, { url, rids }));
  }

  // Somebody plays what is published at a path.
  static async plays(browser: Browser, hall: Hall, path: string): Promise<HttpPeer> {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${hall.url}/healthz`);
    return new HttpPeer(page, await page.evaluate(play, path));
  }

  async connects(): Promise<void> {
    const state = (): Promise<string> =>
      this.page.evaluate(() => (globalThis as Window).kept.connection.connectionState);
    await expect.poll(state, PATIENCE).toBe("connected");
  }

  // The picture that is played is the one that `peer` sends.
  async sees(peer: string): Promise<void> {
    const read = readPicture as (element: unknown) => Seen | undefined;
    const video = await this.page.evaluateHandle(() => (globalThis as Window).video);
    const { code } = signalOf(peer, "camera");
    await expect.poll(async () => (await video.evaluate(read))?.code, PATIENCE).toBe(code);
  }

  async hears(peer: string): Promise<void> {
    const { tone } = signalOf(peer, "camera");
    const track = await this.page.evaluateHandle(() => {
      const receivers = (globalThis as Window).kept.connection.getReceivers();
      return receivers.find((one) => one.track.kind === "audio")?.track;
    });
    const read = readTone as (value: unknown) => Promise<number>;
    await expect.poll(async () => Math.abs((await track.evaluate(read)) - tone), PATIENCE).toBeLessThan(30);
  }

  async reports(): Promise<StatsEntry[]> {
    return this.page.evaluate(async () => {
      const report = await (globalThis as Window).kept.connection.getStats();
      return [...report.values()] as StatsEntry[];
    });
  }

  // Names of the streams of which pictures leave.
  async rids(): Promise<string[]> {
    const entries = await this.reports();
    const streams = entries.filter(({ type, kind }) => type === "outbound-rtp" && kind === "video");
    return streams.filter(({ packetsSent }) => Number(packetsSent) > 0).map(({ rid }) => String(rid));
  }

  async framesDecoded(): Promise<number> {
    const entries = await this.reports();
    const video = entries.filter(({ type, kind }) => type === "inbound-rtp" && kind === "video");
    return Math.max(0, ...video.map(({ framesDecoded }) => Number(framesDecoded ?? 0)));
  }

  // A new ICE session on the same connection; gives the status and the new entity tag.
  async restartsIce(): Promise<[number, string | null]> {
    return this.page.evaluate(restartIce);
  }

  async ends(): Promise<number> {
    return this.page.evaluate(async () => {
      const { connection, location } = (globalThis as Window).kept;
      const answer = await fetch(location, { method: "DELETE" });
      connection.close();
      return answer.status;
    });
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}

// Runs in the page.
async function publish({ url, rids }: { url: string; rids: string[] }): Promise<Made> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const sizes = rids.map((rid, index) => ({ rid, scaleResolutionDownBy: 2 ** index }));
  for (const track of stream.getTracks()) {
    const sendEncodings = track.kind === "video" && sizes.length > 0 ? sizes : undefined;
    connection.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings });
  }
  await connection.setLocalDescription();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/sdp" },
    body: connection.localDescription?.sdp,
  });
  const answer = await response.text();
  const [location, etag] = [response.headers.get("location"), response.headers.get("etag")];
  if (response.ok) await connection.setRemoteDescription({ type: "answer", sdp: answer });
  (globalThis as Window).kept = { connection, location: location ?? "", etag: etag ?? "" };
  return { status: response.status, location, etag, answer };
}

// Runs in the page.
async function play(url: string): Promise<Made> {
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const stream = new MediaStream();
  const video = Object.assign(document.createElement("video"), { autoplay: true, muted: true });
  video.srcObject = stream;
  document.body.append(video);
  (globalThis as Window).video = video;
  connection.addEventListener("track", ({ track }) => stream.addTrack(track));
  for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
  await connection.setLocalDescription();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/sdp" },
    body: connection.localDescription?.sdp,
  });
  const answer = await response.text();
  const [location, etag] = [response.headers.get("location"), response.headers.get("etag")];
  if (response.ok) await connection.setRemoteDescription({ type: "answer", sdp: answer });
  (globalThis as Window).kept = { connection, location: location ?? "", etag: etag ?? "" };
  return { status: response.status, location, etag, answer };
}

// Runs in the page: offers with new credentials, tells them, and puts the server's new ones into its old answer.
async function restartIce(): Promise<[number, string | null]> {
  const { kept } = globalThis as Window;
  const { connection } = kept;
  const before = connection.currentRemoteDescription?.sdp ?? "";
  await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
  const offer = connection.localDescription?.sdp ?? "";
  const line = (text: string, name: string): string =>
    text.split(/\r\n/).find((one) => one.startsWith(name)) ?? "";
  const response = await fetch(kept.location, {
    method: "PATCH",
    headers: { "content-type": "application/trickle-ice-sdpfrag", "if-match": "*" },
    body: [line(offer, "a=ice-ufrag:"), line(offer, "a=ice-pwd:"), "m=audio 9 RTP/AVP 0", "a=mid:0", ""].join(
      "\r\n",
    ),
  });
  const fragment = await response.text();
  const sdp = before
    .replace(/a=ice-ufrag:.*/g, line(fragment, "a=ice-ufrag:"))
    .replace(/a=ice-pwd:.*/g, line(fragment, "a=ice-pwd:"));
  await connection.setRemoteDescription({ type: "answer", sdp });
  kept.etag = response.headers.get("etag") ?? "";
  return [response.status, kept.etag];
}
