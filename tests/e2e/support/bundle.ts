// Programs for pages, with libraries of the versions that a test names.

import { build } from "esbuild";

const clients = new URL("../clients/", import.meta.url).pathname;
const bundles = new Map<string, Promise<string>>();

// The text of a script: a program under `clients` with this version of mediasoup-client.
export function bundle(program: string, mediasoupClient: string): Promise<string> {
  const name = `${program} ${mediasoupClient}`;
  const found = bundles.get(name) ?? make(program, mediasoupClient);
  bundles.set(name, found);
  return found;
}

async function make(program: string, mediasoupClient: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${clients}${program}.ts`],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    target: "es2022",
    alias: { "mediasoup-client": `mediasoup-client-${mediasoupClient}` },
    define: { "process.env.NODE_DEBUG": "undefined", global: "globalThis" },
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}
