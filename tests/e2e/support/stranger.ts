// A page that has a client of its own, as others have written it, and the recorder of what that says to the server.

import { type Browser, type BrowserContext, expect, type Page } from "@playwright/test";
import { bundle } from "./bundle";
import type { Hall } from "./hall";
import { installSender, PLAIN, readPicture, readTone, type Seen, signalOf } from "./signals";
import { Recorder } from "./transcript";
import { PATIENCE } from "./visitor";

const TONE_TOLERANCE = 30;

// Two browsers, their encoders and a node that was built without optimisation share two cores with whatever else is built.
const MEETING = { ...PATIENCE, timeout: 45_000 };

// The part of a page program that this uses.
interface Handle {
  track(kind: string): MediaStreamTrack | undefined;
}

export class Stranger {
  readonly recorder = new Recorder();
  readonly peer: string;
  readonly page: Page;
  readonly #context: BrowserContext;

  protected constructor(peer: string, context: BrowserContext, page: Page) {
    this.peer = peer;
    this.page = page;
    this.#context = context;
  }

  // A page that sends the picture and the tone of `peer`.
  static async open(browser: Browser, peer: string): Promise<[BrowserContext, Page]> {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(installSender, {
      camera: signalOf(peer, "camera"),
      screen: signalOf(peer, "screen"),
      picture: PLAIN,
    });
    return [context, page];
  }

  // Any page of the node's own will do, so that the browser takes the two for neighbours.
  async start(hall: Hall, program: string, version: string, arrival: object): Promise<void> {
    const script = await bundle(program, version);
    await this.page.goto(`${hall.url}/healthz`);
    await this.page.addScriptTag({ content: script });
    await this.page.evaluate(
      (data) => (window as unknown as { enter(data: object): Promise<void> }).enter(data),
      arrival,
    );
  }

  // The other one's picture and tone.
  async meets(other: string): Promise<void> {
    const { code, tone } = signalOf(other, "camera");
    const where = `${other} on the page of ${this.peer}`;
    await expect
      .poll(async () => (await this.#picture())?.code, { ...MEETING, message: `picture of ${where}` })
      .toBe(code);
    await expect
      .poll(async () => Math.abs((await this.#tone()) - tone), { ...MEETING, message: `tone of ${where}` })
      .toBeLessThan(TONE_TOLERANCE);
  }

  // Has been told this, or has said it.
  async noted(what: string): Promise<void> {
    await expect
      .poll(() => this.recorder.has(what), { ...PATIENCE, message: `${this.peer}: ${what}` })
      .toBe(true);
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  async #picture(): Promise<Seen | undefined> {
    const video = await this.page.evaluateHandle(showAll);
    return video.evaluate(readPicture as (element: Element) => Seen | undefined);
  }

  async #tone(): Promise<number> {
    const track = await this.page.evaluateHandle(() =>
      (window as unknown as { client: Handle }).client.track("audio"),
    );
    const found = await track.evaluate((value) => value !== undefined);
    return found ? track.evaluate(readTone as (value: unknown) => Promise<number>) : 0;
  }
}

// Runs in the page: shows what comes in. Sound comes out of a track only while an element plays it.
function showAll(): HTMLVideoElement {
  const { client } = window as unknown as { client: Handle };
  const tracks = [client.track("video"), client.track("audio")].filter((one) => one !== undefined);
  let shown = document.querySelector("video");
  if (!shown) {
    shown = Object.assign(document.createElement("video"), { muted: true, autoplay: true });
    document.body.append(shown);
  }
  const playing = (shown.srcObject as MediaStream | null)?.getTracks() ?? [];
  if (tracks.length !== playing.length || tracks.some((track) => !playing.includes(track))) {
    shown.srcObject = new MediaStream(tracks);
  }
  return shown;
}
