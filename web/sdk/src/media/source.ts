// What a track shows or plays, as all dialects say it.

import type { Json } from "../wire/frames.js";

// Others have names of their own.
export type Source = "microphone" | "camera" | "screen" | "screen-audio" | (string & {});

// Classic clients set a flag for screens, newer ones name what it is.
const KNOWN: Record<string, Json> = {
  microphone: { source: "audio" },
  camera: { source: "video" },
  screen: { source: "screensharing", share: true },
  "screen-audio": { source: "screensharing", share: true },
};

const USUAL: readonly unknown[] = ["audio", "video", "screensharing", undefined];

export function appDataOf(source: Source): Json {
  return { ...(KNOWN[source] ?? { source }) };
}

export function sourceOf(kind: "audio" | "video", appData: Json): Source {
  const { source, share } = appData;
  if (share === true || source === "screensharing") return kind === "audio" ? "screen-audio" : "screen";
  if (typeof source === "string" && !USUAL.includes(source)) return source;
  return kind === "audio" ? "microphone" : "camera";
}
