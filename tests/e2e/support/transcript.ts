// What is said on a page's connection to the server, without what changes from one time to the next.
//
// A transcript holds, for every message, the shape of its data and of its answer: which members there are, of which type, and
// the words where there are only a few (kinds, types, labels …). How often and in which order things are said that nobody
// asked for depends on the weather; the order of the client's own requests does not, and is kept.

import { existsSync, readFileSync, writeFileSync } from "node:fs";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

// A type as "<number>", a word as "=word", several possibilities, a list of elements of some kind, or members; those whose
// names end in "?" are not always there.
export type Shape = string | Shape[] | { "[]": Shape } | { [member: string]: Shape };

export interface Transcript {
  // What the client asked for until it was in the room.
  order: string[];
  messages: Record<string, Shape>;
}

// Members whose words are part of the protocol.
const WORDS = new Set([
  "kind",
  "type",
  "mimeType",
  "label",
  "protocol",
  "uri",
  "role",
  "algorithm",
  "parameter",
  "direction",
  "source",
  "channel",
  "tcpType",
  "iceRole",
  "scalabilityMode",
  "foundation",
]);

// Members that are there when there is something to tell, which may be later.
const SOMETIMES = new Set([
  "availableIncomingBitrate",
  "availableOutgoingBitrate",
  "layers",
  "rid",
  "roundTripTime",
  "rtpPacketLossReceived",
  "rtpPacketLossSent",
  "temporalLayer",
  "volume",
]);

// Members that are null while there is nothing to tell, and what they are otherwise.
const NULLABLE = new Map([
  ["peerId", "string"],
  ["spatialLayer", "number"],
  ["temporalLayer", "number"],
]);

// The shape of a value that is the member of this name.
export function shapeOf(value: Json | undefined, name = ""): Shape {
  if (value === undefined) return "<nothing>";
  const nullable = NULLABLE.get(name);
  if (nullable && (value === null || typeof value === nullable)) return `<${nullable} or null>`;
  if (value === null) return "<null>";
  if (Array.isArray(value)) {
    const elements = value.map((element) => shapeOf(element, name));
    return { "[]": elements.reduce<Shape | undefined>(joined, undefined) ?? "<nothing>" };
  }
  if (typeof value === "object") {
    if (DICTIONARIES.has(name)) {
      return {
        "{}":
          Object.values(value)
            .map((one) => shapeOf(one))
            .reduce<Shape | undefined>(joined, undefined) ?? "<nothing>",
      };
    }
    const members = Object.entries(value).map(([member, one]): [string, Shape] => [
      SOMETIMES.has(member) ? `${member}?` : member,
      shapeOf(one, member),
    ]);
    return Object.fromEntries(members);
  }
  if (typeof value === "string" && WORDS.has(name)) return `=${value}`;
  return `<${typeof value}>`;
}

// Objects whose members' names are data.
const DICTIONARIES = new Set(["parameters", "bitrateByLayer"]);

const isMembers = (shape: Shape): shape is { [member: string]: Shape } =>
  typeof shape === "object" && !Array.isArray(shape) && !("[]" in shape);

const isList = (shape: Shape): shape is { "[]": Shape } =>
  typeof shape === "object" && !Array.isArray(shape) && "[]" in shape;

const alternatives = (shape: Shape): Shape[] => (Array.isArray(shape) ? shape : [shape]);

// What both have.
export function joined(one: Shape | undefined, other: Shape): Shape {
  if (one === undefined) return other;
  const all = alternatives(one);
  for (const next of alternatives(other)) add(all, next);
  return all.length === 1 ? (all[0] as Shape) : all;
}

function add(all: Shape[], next: Shape): void {
  for (const [index, known] of all.entries()) {
    if (typeof known === "string" || typeof next === "string") {
      if (known === next) return;
    } else if (isList(known) && isList(next)) {
      const [one, other] = [known["[]"], next["[]"]];
      if (one === "<nothing>") all[index] = next;
      else if (other !== "<nothing>") all[index] = { "[]": joined(one, other) };
      return;
    } else if (isMembers(known) && isMembers(next) && sameType(known, next)) {
      all[index] = joinedMembers(known, next);
      return;
    }
  }
  all.push(next);
}

// Entries of different types in one list (statistics) are kept apart.
function sameType(one: { [member: string]: Shape }, other: { [member: string]: Shape }): boolean {
  return one.type === other.type || !isWord(one.type) || !isWord(other.type);
}

const isWord = (shape: Shape | undefined): boolean => typeof shape === "string" && shape.startsWith("=");

function joinedMembers(
  one: { [member: string]: Shape },
  other: { [member: string]: Shape },
): { [member: string]: Shape } {
  const result: { [member: string]: Shape } = {};
  const names = new Set([...Object.keys(one), ...Object.keys(other)].map((name) => name.replace(/\?$/, "")));
  for (const name of names) {
    const [here, there] = [one[name] ?? one[`${name}?`], other[name] ?? other[`${name}?`]];
    const always = one[name] !== undefined && other[name] !== undefined;
    const shape = here === undefined ? (there as Shape) : there === undefined ? here : joined(here, there);
    result[always ? name : `${name}?`] = shape;
  }
  return result;
}

// Takes notes of a connection.
export class Recorder {
  readonly messages: Record<string, Shape> = {};
  readonly order: string[] = [];
  readonly #open = new Map<string, string>();

  // What one side asks for, under an id of its own.
  request(from: "client" | "server", id: number | string, method: string, data: Json | undefined): void {
    const what = `${from} asks ${method}`;
    this.#note(what, data);
    this.#open.set(`${from} ${id}`, what);
    if (from === "client") this.order.push(method);
  }

  answer(to: "client" | "server", id: number | string, data: Json | undefined, failed = false): void {
    const what = this.#open.get(`${to} ${id}`);
    if (what) this.#note(`${what} -> ${failed ? "error" : "ok"}`, data);
  }

  notice(from: "client" | "server", method: string, data: Json | undefined): void {
    this.#note(`${from} says ${method}`, data);
  }

  has(what: string): boolean {
    return what in this.messages;
  }

  #note(what: string, data: Json | undefined): void {
    this.messages[what] = joined(this.messages[what], shapeOf(data));
  }
}

const folder = new URL("../transcripts/", import.meta.url).pathname;

// What of `heard` is not as `known` says: nothing, if the client was served as ever.
export function differences(known: Shape | undefined, heard: Shape, where: string): string[] {
  if (known === undefined) return [`${where}: new`];
  return alternatives(heard).flatMap((one) => {
    const found = alternatives(known).map((other) => differencesOfOne(other, one, where));
    return found.find((list) => list.length === 0) ?? found.sort((a, b) => a.length - b.length)[0] ?? [];
  });
}

function differencesOfOne(known: Shape, heard: Shape, where: string): string[] {
  if (isList(known) && isList(heard)) {
    if (heard["[]"] === "<nothing>" || known["[]"] === "<nothing>") return [];
    return differences(known["[]"], heard["[]"], `${where}[]`);
  }
  if (typeof known === "string" || typeof heard === "string" || !isMembers(known) || !isMembers(heard)) {
    return JSON.stringify(known) === JSON.stringify(heard)
      ? []
      : [`${where}: ${JSON.stringify(heard)} instead of ${JSON.stringify(known)}`];
  }
  const plain = (name: string): string => name.replace(/\?$/, "");
  const here = new Map(Object.entries(heard).map(([name, shape]) => [plain(name), shape]));
  const result: string[] = [];
  for (const [name, shape] of Object.entries(known)) {
    const found = here.get(plain(name));
    if (found !== undefined) result.push(...differences(shape, found, `${where}.${plain(name)}`));
    else if (!name.endsWith("?")) result.push(`${where}.${name}: missing`);
    here.delete(plain(name));
  }
  for (const name of here.keys()) result.push(`${where}.${name}: new`);
  return result;
}

// Compares with what is kept under this name, or keeps it: `TRANSCRIPTS=record` anew, `TRANSCRIPTS=widen` together with what
// is there.
export function compare(name: string, recorders: Recorder[], order: string[]): string[] {
  const heard: Transcript = { order, messages: {} };
  for (const { messages } of recorders) {
    for (const [what, shape] of Object.entries(messages)) {
      heard.messages[what] = joined(heard.messages[what], shape);
    }
  }
  const file = `${folder}${name}.json`;
  const known: Transcript | undefined = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  const mode = process.env.TRANSCRIPTS;
  if (mode === "record" || mode === "widen") {
    if (mode === "widen" && known) {
      for (const [what, shape] of Object.entries(known.messages)) {
        heard.messages[what] = joined(shape, heard.messages[what] ?? shape);
      }
    }
    writeFileSync(file, `${JSON.stringify(sorted(heard), null, 1)}\n`);
    return [];
  }
  if (!known) return [`no transcript ${name}: TRANSCRIPTS=record makes one`];
  const result = Object.entries(heard.messages).flatMap(([what, shape]) =>
    differences(known.messages[what], shape, what),
  );
  for (const what of Object.keys(known.messages)) {
    if (!(what in heard.messages)) result.push(`${what}: missing`);
  }
  if (known.order.join() !== order.join()) result.push(`order: ${order} instead of ${known.order}`);
  return result;
}

// So that a change shows as one.
function sorted<T>(value: T): T {
  if (Array.isArray(value)) return value as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, one]) => [name, sorted(one)])) as T;
}
