import { formatBitrate, type TrackStats } from "../media/stats";
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
    if (video.layers.length > 1) all.push(["layers", video.layers.join(", ")]);
    if (tile.layers) all.push(["layer", `${tile.layers.spatial} / ${tile.layers.temporal}`]);
    if (video.freezes > 0) all.push(["freezes", String(video.freezes)]);
  }
  if (audio) {
    all.push([
      "audio",
      `${audio.codec || "–"} · ${formatBitrate(audio.bitrate)} · ${audio.loss.toFixed(1)} % lost`,
    ]);
  }
  if (all.length === 0) all.push(["media", "none"]);
  return all;
}
