// A person in the meeting: a page that sends its own picture and tone, and can be asked what it sees and hears.

import { type Browser, type BrowserContext, expect, type Locator, type Page } from "@playwright/test";
import type { Hall } from "./hall";
import { installSender, type Picture, PLAIN, readPicture, readTone, type Seen, signalOf } from "./signals";
import type { Link } from "./throttle";

// Long enough for a machine with two busy cores; conditions are usually met within a second.
export const PATIENCE = { timeout: 25_000, intervals: [100, 250, 500] };

const HUE_TOLERANCE = 25;
const TONE_TOLERANCE = 30;

export interface Arrival {
  room: string;
  peer: string;
  params?: Record<string, string>;
  // What the camera gives, if it is not the plain picture.
  picture?: Partial<Picture>;
  // The way to the worker, if it is not the open one.
  link?: Link;
  // What it stands before at first, if it is not in the meeting.
  first?: string;
  // Anything else to be done before the page is opened.
  prepare?: (page: Page) => Promise<void>;
}

// What a page knows about a picture that it receives.
export interface Received {
  layers?: { spatial: number; temporal: number };
  preferred?: { spatial: number; temporal: number };
  unwatched: boolean;
  score?: number;
}

// Members of the reports that the tests look at.
export interface StatsEntry {
  type: string;
  kind?: string;
  [key: string]: unknown;
}

// The part of the page's console handle that the tests use.
interface Handle {
  reports(): Promise<Record<"send" | "recv", StatsEntry[]>>;
  store: {
    getState(): {
      media: Record<string, Received & { peerId: string; source: string; track: MediaStreamTrack }>;
      chat: { usable: string };
    };
  };
}

export class Visitor {
  // Those whose pages are open.
  static readonly present = new Set<Visitor>();

  readonly peer: string;
  readonly page: Page;
  readonly context: BrowserContext;
  readonly errors: string[] = [];
  // WebSockets that the page has opened.
  sockets = 0;

  private constructor(peer: string, context: BrowserContext, page: Page) {
    this.peer = peer;
    this.context = context;
    this.page = page;
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("websocket", () => {
      this.sockets += 1;
    });
  }

  static async arrive(browser: Browser, hall: Pick<Hall, "url">, arrival: Arrival): Promise<Visitor> {
    const { room, peer, params, picture, link, first, prepare } = arrival;
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(installSender, {
      camera: signalOf(peer, "camera"),
      screen: signalOf(peer, "screen"),
      picture: { ...PLAIN, ...picture },
    });
    await link?.cover(page);
    await prepare?.(page);
    const query = new URLSearchParams({ room, peer, name: peer, autojoin: "1", ...params });
    const visitor = new Visitor(peer, context, page);
    Visitor.present.add(visitor);
    page.on("close", () => Visitor.present.delete(visitor));
    await page.goto(`${hall.url}/?${query}`);
    const arrived = first ? page.getByText(first) : visitor.tile(peer);
    await expect(arrived.first()).toBeVisible(PATIENCE);
    return visitor;
  }

  tile(peer: string, source: "camera" | "screen" = "camera"): Locator {
    return this.page.locator(`[data-testid=tile][data-peer="${peer}"][data-source=${source}]`);
  }

  async press(key: string): Promise<void> {
    await this.page.keyboard.press(key);
  }

  // Opens the chat, if need be, and writes a line.
  async writes(text: string): Promise<void> {
    await this.openChat();
    const field = this.page.getByLabel("Message to everybody");
    await field.fill(text);
    await field.press("Enter");
  }

  async openChat(): Promise<void> {
    if ((await this.page.getByTestId("chat").count()) === 0) await this.press("c");
    await expect(this.page.getByTestId("chat")).toBeVisible();
  }

  // The lines of the open chat: who wrote what.
  async lines(): Promise<string[]> {
    return this.page.getByTestId("line").evaluateAll((lines) =>
      lines.map((line) => {
        const text = line.querySelector("[data-testid=text]")?.textContent ?? "";
        return `${line.getAttribute("data-from")}: ${text}`;
      }),
    );
  }

  // Whether what is written leaves at once.
  async canWrite(): Promise<void> {
    await expect
      .poll(
        () =>
          this.page.evaluate(
            () => (window as unknown as { plenum: Handle }).plenum.store.getState().chat.usable,
          ),
        { ...PATIENCE, message: `the chat of ${this.peer}` },
      )
      .toBe("yes");
  }

  // What the page says has happened.
  async isTold(title: string): Promise<void> {
    await expect(this.page.getByTestId("notice").filter({ hasText: title })).toBeVisible(PATIENCE);
  }

  // As a host, by the menu of somebody's tile.
  async does(what: string, peer: string, source: "camera" | "screen" = "camera"): Promise<void> {
    const tile = this.tile(peer, source);
    await tile.hover();
    await tile.getByRole("button", { name: /^What to do with/ }).click();
    await this.page.getByRole("menuitem", { name: what }).click();
  }

  async openPeople(): Promise<void> {
    if ((await this.page.getByTestId("people").count()) === 0) await this.press("p");
    await expect(this.page.getByTestId("people")).toBeVisible();
  }

  async leave(): Promise<void> {
    await this.page.getByRole("button", { name: "Leave the meeting" }).click();
  }

  async close(): Promise<void> {
    await this.context.close();
  }

  // The tile of `peer` shows what `peer` draws.
  async sees(peer: string, source: "camera" | "screen" = "camera"): Promise<void> {
    const { code, hue } = signalOf(peer, source);
    const message = `${source} of ${peer} on the page of ${this.peer}, of hue ${hue}`;
    // Both of one picture: the next one may be gone already.
    const look = async () => {
      const seen = await this.#picture(peer, source);
      const off = Math.abs((((seen?.hue ?? 0) - hue + 540) % 360) - 180);
      return seen && off >= HUE_TOLERANCE ? `hue ${seen.hue}` : seen?.code;
    };
    await expect.poll(look, { ...PATIENCE, message }).toBe(code);
  }

  // The sound that belongs to `peer` is the tone that `peer` sings.
  async hears(peer: string): Promise<void> {
    const { tone } = signalOf(peer, "camera");
    await expect
      .poll(async () => Math.abs((await this.#tone(peer)) - tone), {
        ...PATIENCE,
        message: `tone of ${peer} on the page of ${this.peer}, from ${tone} Hz`,
      })
      .toBeLessThan(TONE_TOLERANCE);
  }

  async hearsNothingOf(peer: string): Promise<void> {
    await expect
      .poll(() => this.#tone(peer), { ...PATIENCE, message: `sound of ${peer} on the page of ${this.peer}` })
      .toBe(0);
  }

  // The state of the page and its reports.
  async known(): Promise<unknown> {
    const state = await this.page.evaluate(() => {
      const { store } = (window as unknown as { plenum: Handle }).plenum;
      const tracks = (_: string, value: unknown): unknown =>
        value instanceof MediaStreamTrack ? `${value.id} ${value.readyState} muted ${value.muted}` : value;
      return JSON.parse(JSON.stringify(store.getState(), tracks));
    });
    return { state, reports: await this.reports() };
  }

  async reports(): Promise<Record<"send" | "recv", StatsEntry[]>> {
    return this.page.evaluate(() => (window as unknown as { plenum: Handle }).plenum.reports());
  }

  // The report about the picture that is received from `peer`.
  async inboundVideo(peer: string, source = "camera"): Promise<StatsEntry | undefined> {
    const track = await this.page.evaluate(
      ([id, from]) => {
        const { media } = (window as unknown as { plenum: Handle }).plenum.store.getState();
        return Object.values(media).find((one) => one.peerId === id && one.source === from)?.track.id;
      },
      [peer, source] as const,
    );
    const { recv } = await this.reports();
    return recv.find(
      ({ type, kind, trackIdentifier }) =>
        type === "inbound-rtp" && kind === "video" && trackIdentifier === track,
    );
  }

  // Width of the picture that is received from `peer`.
  async width(peer: string): Promise<number> {
    return Number((await this.inboundVideo(peer))?.frameWidth ?? 0);
  }

  // The encodings of the camera's picture, smallest first.
  async sends(): Promise<StatsEntry[]> {
    const { send } = await this.reports();
    return send
      .filter(({ type, kind }) => type === "outbound-rtp" && kind === "video")
      .sort((a, b) => String(a.rid ?? "").localeCompare(String(b.rid ?? "")));
  }

  // Width of the largest picture that the camera's encoders make now.
  async sentWidth(): Promise<number> {
    return Math.max(...(await this.sends()).map(({ frameWidth }) => Number(frameWidth ?? 0)));
  }

  async received(peer: string, source = "camera"): Promise<Received | undefined> {
    return this.page.evaluate(
      ([id, from]) => {
        const { media } = (window as unknown as { plenum: Handle }).plenum.store.getState();
        const found = Object.values(media).find((one) => one.peerId === id && one.source === from);
        if (!found) return undefined;
        const { layers, preferred, unwatched, score } = found;
        return { layers, preferred, unwatched, score };
      },
      [peer, source] as const,
    );
  }

  // Another tab in front of this one, for all that the page can tell.
  async hide(hidden = true): Promise<void> {
    await this.page.evaluate(
      (state) => {
        Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
        document.dispatchEvent(new Event("visibilitychange"));
      },
      hidden ? "hidden" : "visible",
    );
  }

  // Notes how long the picture of `peer` stands still from now on.
  async watchStills(peer: string): Promise<void> {
    await this.tile(peer)
      .locator("video")
      .evaluate(watchStills as (element: Element) => void);
  }

  // The longest time in milliseconds that the picture stood still since the last look.
  async longestStill(peer: string): Promise<number> {
    const read = readLongestStill as (element: Element) => number;
    return this.tile(peer).locator("video").evaluate(read);
  }

  async framesDecoded(peer: string): Promise<number> {
    return Number((await this.inboundVideo(peer))?.framesDecoded ?? 0);
  }

  async #picture(peer: string, source: "camera" | "screen"): Promise<Seen | undefined> {
    const video = this.tile(peer, source).locator("video");
    if ((await video.count()) !== 1) return undefined;
    return video.evaluate(readPicture as (element: Element) => Seen | undefined).catch(() => undefined);
  }

  async #tone(peer: string): Promise<number> {
    const track = await this.page.evaluateHandle((id) => {
      const { media } = (window as unknown as { plenum: Handle }).plenum.store.getState();
      return Object.values(media).find((one) => one.peerId === id && one.source === "mic")?.track ?? null;
    }, peer);
    const found = await track.evaluate((value) => value !== null);
    const hertz = found ? await track.evaluate(readTone as (value: unknown) => Promise<number>) : 0;
    await track.dispose();
    return hertz;
  }
}

interface Stills {
  longest: number;
  last: number;
}

type Watched = HTMLVideoElement & { stills?: Stills };

// Runs in the page.
function watchStills(video: Watched): void {
  const stills: Stills = { longest: 0, last: performance.now() };
  video.stills = stills;
  const next = (): void => {
    const now = performance.now();
    stills.longest = Math.max(stills.longest, now - stills.last);
    stills.last = now;
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}

// Runs in the page. A picture that stands still at this moment counts.
function readLongestStill(video: Watched): number {
  const { stills } = video;
  if (!stills) return 0;
  const longest = Math.max(stills.longest, performance.now() - stills.last);
  stills.longest = 0;
  return Math.round(longest);
}

// Everybody has a tile with the right picture and the right tone for everybody else.
export async function expectFullMeeting(visitors: Visitor[]): Promise<void> {
  const check = async (visitor: Visitor): Promise<void> => {
    for (const { peer } of visitors) {
      if (peer === visitor.peer) continue;
      await visitor.sees(peer);
      await visitor.hears(peer);
    }
    await expect(visitor.page.locator("[data-testid=tile][data-source=camera]")).toHaveCount(visitors.length);
  };
  await Promise.all(visitors.map(check));
}
