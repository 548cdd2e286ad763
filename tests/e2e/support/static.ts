// Serves built pages without a node: our own one for pictures of it, and the examples of the client library, which
// find the node elsewhere.

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const WEB = new URL("../../../web/", import.meta.url).pathname;

export const MEET = join(WEB, "meet/dist");
export const EXAMPLES = join(WEB, "sdk/examples/dist");

const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

export async function servePage(dist = MEET): Promise<{ server: Server; url: string }> {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://page").pathname);
    const name = path.endsWith("/") ? `${path}index.html` : path;
    try {
      const body = await readFile(join(dist, name));
      response
        .writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" })
        .end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}/` };
}
