// What the address of the page asks for.

import type { VideoCodec } from "@plenum/client";

export type View = "speaker" | "grid";

export interface PageParams {
  room: string | undefined;
  name: string | undefined;
  // Joins without stopping in the lobby.
  autojoin: boolean;
  // The only video codec to send; the server's first choice if absent.
  codec: VideoCodec | undefined;
  // Several sizes of the camera picture; one if false.
  simulcast: boolean;
  // The scalability mode of codecs with layers inside one stream.
  svc: string | undefined;
  // Media over TCP alone, as behind a firewall that lets no UDP through.
  forceTcp: boolean;
  // Media through the TURN servers alone, as behind a firewall that lets nothing else through.
  forceTurn: boolean;
  // Switched on from the beginning.
  mic: boolean;
  camera: boolean;
  // Whoever speaks large, or all alike.
  view: View | undefined;
  // A fixed peer id, for tests and measurements.
  peer: string | undefined;
  // What lets its bearer in, and says who that is, at servers that want to know.
  token: string | undefined;
  namespace: string | undefined;
}

const CODECS: readonly string[] = ["vp8", "vp9", "h264", "av1"];
// As webrtc-svc names them; what the browser cannot do fails when it is tried.
const SCALABILITY_MODE = /^[LS][1-3]T[1-3](h|_KEY|_KEY_SHIFT)?$/;
const VIEWS: readonly string[] = ["speaker", "grid"];
const MAX_ROOM = 64;
const MAX_NAME = 40;

export function parseParams(search: string): PageParams {
  const query = new URLSearchParams(search);
  const codec = query.get("codec")?.toLowerCase();
  const svc = query.get("svc") ?? "";
  const view = query.get("view") ?? "";
  return {
    room: cleanRoom(query.get("room") ?? query.get("roomId") ?? "") || undefined,
    name: cleanName(query.get("name") ?? "") || undefined,
    autojoin: isOn(query.get("autojoin"), false),
    codec: codec && CODECS.includes(codec) ? (codec as VideoCodec) : undefined,
    simulcast: isOn(query.get("simulcast"), true),
    svc: SCALABILITY_MODE.test(svc) ? svc : undefined,
    forceTcp: isOn(query.get("forceTcp"), false),
    forceTurn: isOn(query.get("forceTurn"), false),
    mic: isOn(query.get("mic"), true),
    camera: isOn(query.get("camera"), true),
    view: VIEWS.includes(view) ? (view as View) : undefined,
    peer: query.get("peer")?.trim() || undefined,
    token: query.get("token")?.trim() || undefined,
    namespace: query.get("namespace")?.trim() || undefined,
  };
}

// Room names are typed and read out: letters, digits, "-" and "_" of any script, everything else becomes "-".
export function cleanRoom(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, MAX_ROOM);
}

export function cleanName(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, MAX_NAME);
}

// Without one's own token: others have theirs.
export function shareUrl(
  page: Pick<Location, "origin" | "pathname">,
  room: string,
  namespace?: string,
): string {
  const query = `room=${encodeURIComponent(room)}`;
  const rest = namespace === undefined ? "" : `&namespace=${encodeURIComponent(namespace)}`;
  return `${page.origin}${page.pathname}?${query}${rest}`;
}

function isOn(value: string | null, otherwise: boolean): boolean {
  if (value === null) return otherwise;
  return value === "" || value === "1" || value === "true";
}
