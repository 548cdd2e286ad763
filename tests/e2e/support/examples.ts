// The examples of the client library, as if the node served them.

import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import type { Page } from "@playwright/test";
import type { Hall } from "./hall";

const DIST = new URL("../../../web/sdk/examples/dist", import.meta.url).pathname;

const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
};

export async function openExample(
  page: Page,
  hall: Hall,
  name: "call" | "audience",
  query: Record<string, string>,
): Promise<void> {
  await page.route(`${hall.url}/examples/**`, async (route) => {
    const path = normalize(new URL(route.request().url()).pathname).replace("/examples", "");
    const file = join(DIST, extname(path) ? path : `${path}/index.html`);
    const contentType = TYPES[extname(file)] ?? "application/octet-stream";
    await route.fulfill({ body: await readFile(file), contentType });
  });
  await page.goto(`${hall.url}/examples/${name}/?${new URLSearchParams(query)}`);
}
