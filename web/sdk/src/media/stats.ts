// Figures about tracks, read from the statistics of the browser.

export interface TrackStats {
  kind: "audio" | "video";
  codec: string;
  width: number;
  height: number;
  fps: number;
  // Bit/s.
  bitrate: number;
  // Per cent of the packets since the last look.
  loss: number;
  // 0..1, of audio.
  level: number;
  // Of video being received: frames decoded since the beginning, and freezes.
  frames: number;
  freezes: number;
  // What a picture is sent in, highest first, for instance "r2 720p"; "r1 off" is not wanted by anybody.
  layers: string[];
}

// Members of the reports that are read here; all may be missing.
interface Entry {
  id: string;
  type: string;
  timestamp: number;
  kind?: "audio" | "video";
  trackIdentifier?: string;
  mediaSourceId?: string;
  codecId?: string;
  mimeType?: string;
  rid?: string;
  active?: boolean;
  scalabilityMode?: string;
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  framesDecoded?: number;
  freezeCount?: number;
  bytesReceived?: number;
  bytesSent?: number;
  packetsReceived?: number;
  packetsLost?: number;
  packetsSent?: number;
  fractionLost?: number;
  localId?: string;
  remoteId?: string;
  totalAudioEnergy?: number;
  totalSamplesDuration?: number;
}

export type Report = Iterable<[string, unknown]>;

interface Counters {
  timestamp: number;
  bytes: number;
  packets: number;
  lost: number;
  energy: number;
  duration: number;
}

// Turns the growing counters of a peer connection into figures per track. One reader per connection.
export class StatsReader {
  #last = new Map<string, Counters>();

  // Figures by track id.
  read(report: Report): Map<string, TrackStats> {
    const entries = new Map<string, Entry>();
    for (const [id, entry] of report) entries.set(id, entry as Entry);
    const tracks = new Map<string, TrackStats>();
    const seen = new Map<string, Counters>();
    for (const entry of entries.values()) {
      if (entry.type === "inbound-rtp") this.#inbound(entry, entries, tracks, seen);
      else if (entry.type === "outbound-rtp") this.#outbound(entry, entries, tracks, seen);
    }
    for (const entry of entries.values()) {
      if (entry.type === "media-source" && entry.kind === "audio") this.#source(entry, tracks, seen);
    }
    this.#last = seen;
    return tracks;
  }

  #inbound(
    entry: Entry,
    all: Map<string, Entry>,
    tracks: Map<string, TrackStats>,
    seen: Map<string, Counters>,
  ): void {
    if (!entry.trackIdentifier || !entry.kind) return;
    const stats = blank(entry.kind);
    const now = counters(entry, entry.bytesReceived, entry.packetsReceived, entry.packetsLost);
    seen.set(entry.id, now);
    this.#rates(entry.id, now, stats);
    stats.codec = codecName(all.get(entry.codecId ?? ""));
    picture(entry, stats);
    stats.frames = entry.framesDecoded ?? 0;
    stats.freezes = entry.freezeCount ?? 0;
    tracks.set(entry.trackIdentifier, stats);
  }

  // A simulcast track has one entry per layer: bit rates add up, the picture is that of the largest.
  #outbound(
    entry: Entry,
    all: Map<string, Entry>,
    tracks: Map<string, TrackStats>,
    seen: Map<string, Counters>,
  ): void {
    const track = all.get(entry.mediaSourceId ?? "")?.trackIdentifier;
    if (!track || !entry.kind) return;
    const now = counters(entry, entry.bytesSent, entry.packetsSent, 0);
    seen.set(entry.id, now);
    const layer = blank(entry.kind);
    this.#rates(entry.id, now, layer);
    const remote = all.get(entry.remoteId ?? "");
    if (remote?.fractionLost !== undefined) layer.loss = remote.fractionLost * 100;
    const stats = tracks.get(track) ?? blank(entry.kind);
    stats.bitrate += layer.bitrate;
    stats.loss = Math.max(stats.loss, layer.loss);
    stats.codec ||= codecName(all.get(entry.codecId ?? ""));
    const larger = (entry.frameHeight ?? 0) > stats.height;
    if (larger) picture(entry, stats);
    if (entry.kind === "video")
      stats.layers = [...stats.layers, encodingLabel(entry, layer.bitrate)].sort().reverse();
    tracks.set(track, stats);
  }

  #source(entry: Entry, tracks: Map<string, TrackStats>, seen: Map<string, Counters>): void {
    const stats = tracks.get(entry.trackIdentifier ?? "");
    if (!stats) return;
    const now = counters(entry, 0, 0, 0);
    seen.set(entry.id, now);
    stats.level = loudness(this.#last.get(entry.id), now);
  }

  #rates(id: string, now: Counters, stats: TrackStats): void {
    const last = this.#last.get(id);
    if (!last) return;
    const ms = now.timestamp - last.timestamp;
    if (ms > 0) stats.bitrate = Math.max(0, ((now.bytes - last.bytes) * 8000) / ms);
    const lost = Math.max(0, now.lost - last.lost);
    const received = Math.max(0, now.packets - last.packets);
    if (lost + received > 0) stats.loss = (100 * lost) / (lost + received);
    stats.level = loudness(last, now);
  }
}

function blank(kind: "audio" | "video"): TrackStats {
  return {
    kind,
    codec: "",
    width: 0,
    height: 0,
    fps: 0,
    bitrate: 0,
    loss: 0,
    level: 0,
    frames: 0,
    freezes: 0,
    layers: [],
  };
}

function counters(entry: Entry, bytes = 0, packets = 0, lost = 0): Counters {
  const { timestamp, totalAudioEnergy = 0, totalSamplesDuration = 0 } = entry;
  return { timestamp, bytes, packets, lost, energy: totalAudioEnergy, duration: totalSamplesDuration };
}

// The root of the mean energy between two looks, which a single moment of silence does not fool.
function loudness(last: Counters | undefined, now: Counters): number {
  const duration = now.duration - (last?.duration ?? 0);
  const energy = now.energy - (last?.energy ?? 0);
  return duration > 0 && energy > 0 ? Math.min(1, Math.sqrt(energy / duration)) : 0;
}

function picture(entry: Entry, stats: TrackStats): void {
  stats.width = entry.frameWidth ?? 0;
  stats.height = entry.frameHeight ?? 0;
  stats.fps = Math.round(entry.framesPerSecond ?? 0);
}

// Names of encodings are numbered from the smallest one on, so they sort by size.
function encodingLabel({ rid, scalabilityMode, active, frameHeight }: Entry, bitrate: number): string {
  const state = active === false ? "off" : bitrate > 0 ? `${frameHeight ?? "?"}p` : "idle";
  return `${rid || scalabilityMode || "one"} ${state}`;
}

function codecName(codec: Entry | undefined): string {
  return codec?.mimeType?.split("/")[1] ?? "";
}

export function formatBitrate(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1_000_000) return `${(bitsPerSecond / 1_000_000).toFixed(1)} Mb/s`;
  return `${Math.round(bitsPerSecond / 1000)} kb/s`;
}
