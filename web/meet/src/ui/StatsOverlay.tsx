import { formatBitrate, type Layers, type TrackStats } from "@plenum/client";
import type { RemoteMedia } from "../store/state";
import type { Tile } from "../store/tiles";
import { usePage } from "./context";

// Figures of one tile, refreshed with every look at the statistics.
export function StatsOverlay({ tile }: { tile: Tile }) {
  const stats = usePage((state) => state.stats);
  const video = tile.video ? stats.get(tile.video.id) : undefined;
  const audio = tile.audio ? stats.get(tile.audio.id) : undefined;
  return (
    <dl
      data-testid="stats"
      className="glass absolute top-2 left-2 z-[4] grid max-w-[calc(100%-1rem)] grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 rounded-xl px-3 py-2 font-mono text-[0.68rem] leading-relaxed text-chalk/90"
    >
      {lines(tile, video, audio).map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-mist">{name}</dt>
          <dd data-stat={name} className="truncate tabular-nums">
            {value}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function lines(tile: Tile, video: TrackStats | undefined, audio: TrackStats | undefined): [string, string][] {
  const all: [string, string][] = [];
  if (video) {
    all.push(["picture", video.width ? `${video.width}×${video.height} · ${video.fps} fps` : "waiting"]);
    all.push([
      "video",
      `${video.codec || "–"} · ${formatBitrate(video.bitrate)} · ${video.loss.toFixed(1)} % lost`,
    ]);
    if (video.layers.length > 0) all.push(["sends", video.layers.join(", ")]);
    if (video.freezes > 0) all.push(["freezes", String(video.freezes)]);
  }
  if (tile.received) all.push(...receivedLines(tile.received));
  if (audio) {
    all.push([
      "audio",
      `${audio.codec || "–"} · ${formatBitrate(audio.bitrate)} · ${audio.loss.toFixed(1)} % lost`,
    ]);
  }
  if (all.length === 0) all.push(["media", "none"]);
  return all;
}

// What the server forwards, and what it was asked for.
function receivedLines({
  count,
  layers,
  preferred,
  unwatched,
  score,
}: RemoteMedia): [name: string, value: string][] {
  const all: [string, string][] = [];
  const highest = { spatial: count.spatial - 1, temporal: count.temporal - 1 };
  if (unwatched) all.push(["layer", "paused, nobody watches"]);
  else if (count.spatial > 1 || count.temporal > 1)
    all.push(["layer", `${layerName(layers)} · wanted ${layerName(preferred ?? highest)}`]);
  if (score !== undefined) all.push(["score", `${score} of 10`]);
  return all;
}

function layerName(layers: Layers | undefined): string {
  return layers ? `S${layers.spatial} T${layers.temporal}` : "none";
}
