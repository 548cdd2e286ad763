// Which browser this is, for the server's list of peers.

export interface Browser {
  flag: string;
  name: string;
  version: string;
}

const KNOWN: readonly [RegExp, string, string][] = [
  [/Edg\/([\d.]+)/, "edge", "Edge"],
  [/OPR\/([\d.]+)/, "opera", "Opera"],
  [/Firefox\/([\d.]+)/, "firefox", "Firefox"],
  [/(?:Chrome|CriOS)\/([\d.]+)/, "chrome", "Chrome"],
  [/Version\/([\d.]+).*Safari/, "safari", "Safari"],
];

export function browser(userAgent: string): Browser {
  for (const [pattern, flag, name] of KNOWN) {
    const version = pattern.exec(userAgent)?.[1];
    if (version) return { flag, name, version };
  }
  return { flag: "unknown", name: "Unknown", version: "" };
}
