// A client of the classic protocol that has never heard of what this server says beyond it.

import type { Page } from "@playwright/test";

// Takes the server's own words out of what the page says. Before the page is opened.
export async function classic(page: Page): Promise<void> {
  await page.routeWebSocket(/\/protoo/, (client) => {
    const server = client.connectToServer();
    client.onMessage((message) => {
      const parsed = JSON.parse(message.toString());
      if (parsed.data) delete parsed.data.plenum;
      server.send(JSON.stringify(parsed));
    });
  });
}
