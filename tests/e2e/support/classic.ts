// A person whose client speaks the classic protocol and has never heard of what this server says beyond it.

import type { Browser, BrowserContext, Page } from "@playwright/test";
import { bundle } from "./bundle";
import type { Hall } from "./hall";
import { installSender, type Picture, PLAIN, signalOf } from "./signals";
import type { StatsEntry } from "./visitor";

// As old as the protocol's last clients are.
const LIBRARY = "3.7.17";

export interface Said {
  method: string;
  data: Record<string, unknown>;
}

// The part of the page program that is used here.
interface Program {
  enter(arrival: object): Promise<void>;
  client: { transports: Record<string, { getStats(): Promise<Map<string, StatsEntry>> }> };
}

export class ClassicGuest {
  readonly page: Page;
  // Notifications that it has got.
  readonly told: Said[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => {
        const { notification, method, data } = JSON.parse(payload.toString());
        if (notification) this.told.push({ method, data });
      });
    });
  }

  static async arrive(
    browser: Browser,
    hall: Hall,
    { room, peer, picture = {} }: { room: string; peer: string; picture?: Partial<Picture> },
  ): Promise<ClassicGuest> {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(installSender, {
      camera: signalOf(peer, "camera"),
      screen: signalOf(peer, "screen"),
      picture: { ...PLAIN, ...picture },
    });
    const guest = new ClassicGuest(context, page);
    // Any page of the node's own will do, so that its browser takes the two for neighbours.
    await page.goto(`${hall.url}/healthz`);
    await page.addScriptTag({ content: await bundle("protoo", LIBRARY) });
    const query = new URLSearchParams({ roomId: room, peerId: peer });
    await page.evaluate((arrival) => (window as unknown as Program).enter(arrival), {
      dialect: "classic",
      url: `${hall.url.replace("http", "ws")}/?${query}`,
      name: peer,
      asksForStatsUrl: false,
    });
    return guest;
  }

  // What it was told under this name.
  all(name: string): Said["data"][] {
    return this.told.filter(({ method }) => method === name).map(({ data }) => data);
  }

  // The encodings of its camera's picture.
  async sends(): Promise<StatsEntry[]> {
    const all = await this.page.evaluate(async () => {
      const report = await (window as unknown as Program).client.transports.send?.getStats();
      return [...(report?.values() ?? [])];
    });
    return all.filter(({ type, kind }) => type === "outbound-rtp" && kind === "video");
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}
