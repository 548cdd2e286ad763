import { defineConfig } from "@playwright/test";
import { EXECUTABLE, FLAGS } from "./support/chromium";

// Pictures of the page for people to look at; they end up in test-results/screenshots at the top of the tree.
export default defineConfig({
  testDir: "./screenshots",
  outputDir: "../../test-results/screenshots-run",
  workers: 1,
  timeout: 60_000,
  reporter: "list",
  use: { launchOptions: { executablePath: EXECUTABLE, args: FLAGS } },
});
