// Cuts a browser off, really: Chromium keeps all sockets, those of pages and those of WebRTC, in one process of its
// own. Emulated offline modes spare WebRTC and connections that are already open; a stopped process spares nothing.

import { readdirSync, readFileSync } from "node:fs";
import { type Browser, chromium } from "@playwright/test";
import { EXECUTABLE, FLAGS } from "./chromium";

export class CuttableBrowser {
  readonly browser: Browser;
  readonly #pid: number;
  readonly #shut: () => Promise<void>;

  private constructor(browser: Browser, pid: number, shut: () => Promise<void>) {
    this.browser = browser;
    this.#pid = pid;
    this.#shut = shut;
  }

  static async launch(): Promise<CuttableBrowser> {
    const server = await chromium.launchServer({ executablePath: EXECUTABLE, args: FLAGS });
    const pid = server.process().pid;
    if (pid === undefined) throw new Error("the browser has no process");
    const browser = await chromium.connect(server.wsEndpoint());
    return new CuttableBrowser(browser, pid, () => server.close());
  }

  // Nothing goes in or out any more.
  cut(): void {
    process.kill(this.#network(), "SIGSTOP");
  }

  // The cable is back, nothing was lost but time.
  mend(): void {
    process.kill(this.#network(), "SIGCONT");
  }

  // The network is another one: every socket of the old one is dead, new ones can be made.
  replace(): void {
    process.kill(this.#network(), "SIGKILL");
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.#shut();
  }

  #network(): number {
    const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const found = all.find((pid) => {
      const command = read(`/proc/${pid}/cmdline`);
      return command.includes("network.mojom.NetworkService") && this.#ancestors(pid).includes(this.#pid);
    });
    if (found === undefined) throw new Error("the browser has no network process");
    return Number(found);
  }

  #ancestors(pid: string): number[] {
    const parents: number[] = [];
    let next = parentOf(pid);
    while (next > 1) {
      parents.push(next);
      next = parentOf(String(next));
    }
    return parents;
  }
}

function parentOf(pid: string): number {
  return Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

// Processes come and go while their list is read.
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
