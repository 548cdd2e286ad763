// Names and ids that the page makes up or remembers.

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

export function randomId(length = 8): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}

const FIRST = [
  "amber",
  "brisk",
  "calm",
  "clear",
  "early",
  "gentle",
  "lunar",
  "merry",
  "north",
  "quiet",
  "swift",
  "velvet",
];
const SECOND = [
  "arch",
  "aula",
  "bench",
  "chamber",
  "dome",
  "forum",
  "gallery",
  "hall",
  "lectern",
  "quorum",
  "rotunda",
  "stage",
];

// A room name that can be said over the phone.
export function randomRoom(): string {
  const [a, b, c] = crypto.getRandomValues(new Uint8Array(3));
  return `${FIRST[(a ?? 0) % FIRST.length]}-${SECOND[(b ?? 0) % SECOND.length]}-${((c ?? 0) % 90) + 10}`;
}

// One colour per person, the same on every screen.
export function hue(id: string): number {
  let hash = 2166136261;
  for (const char of id) {
    hash ^= char.codePointAt(0) ?? 0;
    hash = Math.imul(hash, 16777619);
  }
  // Ids that differ in one letter differ in the low bits only; spread that over all of them.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % 360;
}

export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? ([...(words.at(-1) ?? "")][0] ?? "") : "";
  return (first + last).toUpperCase();
}

// Storage may be forbidden (private windows, embedded pages): then nothing is remembered, and all goes on.
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`plenum.${key}`, value);
  } catch {
    // Nothing to do: see above.
  }
}

export function remembered(key: string): string {
  try {
    return localStorage.getItem(`plenum.${key}`) ?? "";
  } catch {
    return "";
  }
}
