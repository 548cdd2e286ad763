// Which browser this is, for the list of peers.

import type { DeviceInfo } from "./wire/messages.js";

const KNOWN: readonly [RegExp, string, string][] = [
  [/Edg\/([\d.]+)/, "edge", "Edge"],
  [/OPR\/([\d.]+)/, "opera", "Opera"],
  [/Firefox\/([\d.]+)/, "firefox", "Firefox"],
  [/(?:Chrome|CriOS)\/([\d.]+)/, "chrome", "Chrome"],
  [/Version\/([\d.]+).*Safari/, "safari", "Safari"],
];

export function browser(userAgent: string): DeviceInfo {
  for (const [pattern, flag, name] of KNOWN) {
    const version = pattern.exec(userAgent)?.[1];
    if (version) return { flag, name, version };
  }
  return { flag: "unknown", name: "Unknown", version: "" };
}
