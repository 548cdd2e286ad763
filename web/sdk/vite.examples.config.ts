import { defineConfig } from "vite";

const here = (path: string): string => new URL(path, import.meta.url).pathname;

// `npm run examples`: both pages with live reload; signalling goes to a node on port 3000. `npm run build:examples`
// writes them to examples/dist, to be served from anywhere.
export default defineConfig({
  root: here("examples"),
  base: "./",
  resolve: { alias: { "@plenum/client": here("src/index.ts") } },
  build: {
    target: "es2022",
    outDir: here("examples/dist"),
    emptyOutDir: true,
    rolldownOptions: {
      input: { call: here("examples/call/index.html"), audience: here("examples/audience/index.html") },
    },
  },
  server: { proxy: { "/plenum": { target: "http://127.0.0.1:3000", ws: true } } },
});
