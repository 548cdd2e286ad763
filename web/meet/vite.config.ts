import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// During development the page comes from Vite and signalling from a node started with `plenum serve`.
const NODE = "http://127.0.0.1:3000";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // The client library as it stands here, whether it was built or not.
  resolve: { alias: { "@plenum/client": new URL("../sdk/src/index.ts", import.meta.url).pathname } },
  build: {
    target: "es2022",
    // Fonts stay files of their own: inlined they would be loaded even where no glyph of theirs is needed.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: {
      "/plenum": { target: NODE, ws: true },
      "/stats": NODE,
    },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
