// One person, or one screen.

import { Crown, Ear, Hand, Maximize2, MicOff, Minimize2, MonitorUp } from "lucide-react";
import { memo } from "react";
import type { Tile } from "../store/tiles";
import { initials } from "../util/identity";
import type { Rect } from "../util/layout";
import { useMeeting, usePage } from "./context";
import { hostItems, screenItems } from "./hosting";
import { AudioView, VideoView } from "./MediaView";
import { Menu } from "./Menu";
import { backdrop } from "./Preview";
import { StatsOverlay } from "./StatsOverlay";

const CHIPS = {
  tiny: "h-5 gap-1 px-1.5 text-[0.68rem]",
  small: "h-6 gap-1.5 px-2.5 text-xs",
  normal: "h-8 gap-1.5 px-3 text-sm",
};

interface Props {
  tile: Tile;
  rect: Rect;
  pinned: boolean;
}

export const TileView = memo(function TileView({ tile, rect, pinned }: Props) {
  const meeting = useMeeting();
  const speaking = usePage((state) => tile.source === "camera" && state.speaking.has(tile.peerId));
  const volume = usePage((state) => (tile.source === "camera" ? (state.volumes.get(tile.peerId) ?? 0) : 0));
  const statsShown = usePage((state) => state.statsShown);
  const blocked = usePage((state) => state.soundBlocked);
  const screen = tile.source === "screen";
  const caption = screen
    ? tile.self
      ? "Your screen"
      : `${tile.name}’s screen`
    : tile.self
      ? `${tile.name} (you)`
      : tile.name;
  const size = rect.width < 120 ? "tiny" : rect.width < 220 ? "small" : "normal";
  return (
    <article
      data-testid="tile"
      data-peer={tile.peerId}
      data-source={tile.source}
      data-self={tile.self}
      data-muted={tile.muted}
      data-video={tile.video !== undefined}
      data-role={tile.role}
      data-hand={!screen && tile.hand}
      data-speaking={speaking}
      aria-label={`${caption}${!screen && tile.muted ? ", muted" : ""}${tile.video ? "" : ", no picture"}${!screen && tile.hand ? ", raises a hand" : ""}`}
      className="tile group"
      style={{ width: rect.width, height: rect.height, transform: `translate(${rect.x}px, ${rect.y}px)` }}
      onDoubleClick={() => meeting.pin(tile.id)}
    >
      {tile.video ? (
        <VideoView track={tile.video} label={caption} mirrored={tile.self && !screen} whole={screen} />
      ) : (
        <Face tile={tile} rect={rect} />
      )}
      {tile.audio && !tile.self && (
        <AudioView track={tile.audio} blocked={blocked} onBlocked={(is) => meeting.soundBlocked(is)} />
      )}
      {statsShown && <StatsOverlay tile={tile} />}
      <div className="absolute inset-x-0 bottom-0 z-[2] flex bg-gradient-to-t from-black/45 to-transparent pt-8 pb-1.5 pl-1.5 pr-1.5 sm:pb-2 sm:pl-2">
        <p
          className={`flex min-w-0 items-center rounded-full bg-black/50 font-medium text-white backdrop-blur-md ${CHIPS[size]}`}
        >
          {screen ? (
            <MonitorUp className="size-4 shrink-0 text-lime" aria-hidden="true" />
          ) : tile.muted ? (
            <MicOff data-testid="muted" className="size-3.5 shrink-0 text-coral" aria-label="muted" />
          ) : (
            <VolumeBars volume={volume} speaking={speaking} />
          )}
          <span className="truncate">{caption}</span>
          {!screen && tile.role === "host" && (
            <Crown className="size-3.5 shrink-0 text-lime" role="img" aria-label="host" />
          )}
          {!screen && tile.role === "listener" && (
            <Ear className="size-3.5 shrink-0 text-mist" role="img" aria-label="listens" />
          )}
        </p>
      </div>
      {!screen && tile.hand && (
        <span
          aria-hidden="true"
          className="rise absolute top-2 left-2 z-[5] grid size-9 place-items-center rounded-full bg-amber text-ink shadow-lg"
        >
          <Hand className="size-5" />
        </span>
      )}
      <HostMenu tile={tile} />
      <button
        type="button"
        onClick={() => meeting.pin(tile.id)}
        aria-pressed={pinned}
        aria-label={pinned ? `Take ${caption} off the stage` : `Put ${caption} on the stage`}
        className="absolute top-2 right-2 z-[5] grid size-8 place-items-center rounded-full bg-black/50 text-white opacity-0 backdrop-blur-md transition group-hover:opacity-100 hover:bg-black/75 focus-visible:opacity-100"
      >
        {pinned ? (
          <Minimize2 className="size-4" aria-hidden="true" />
        ) : (
          <Maximize2 className="size-4" aria-hidden="true" />
        )}
      </button>
    </article>
  );
});

// Hosts have it on everybody else's tiles.
function HostMenu({ tile }: { tile: Tile }) {
  const meeting = useMeeting();
  const host = usePage((state) => state.self.host);
  if (!host || tile.self) return null;
  const { peerId: id, name, role, hand, muted, video, source } = tile;
  const sending = { sound: !muted, picture: video !== undefined };
  return (
    <div className="absolute top-2 right-12 z-[5] opacity-0 transition group-focus-within:opacity-100 group-hover:opacity-100">
      <Menu
        label={source === "screen" ? `What to do with ${name}’s screen` : `What to do with ${name}`}
        items={
          source === "screen"
            ? screenItems(meeting, id)
            : hostItems(meeting, { id, name, role, hand }, sending)
        }
        className="bg-black/50 text-white backdrop-blur-md hover:bg-black/75"
      />
    </div>
  );
}

// The middle one is the highest; the outer ones follow with louder voices.
const BARS = [0.62, 1, 0.78];

function VolumeBars({ volume, speaking }: { volume: number; speaking: boolean }) {
  return (
    <span
      className="voice flex h-3.5 shrink-0 items-center gap-[2px]"
      data-testid="volume"
      data-volume={volume.toFixed(2)}
      data-speaking={speaking}
      aria-hidden="true"
    >
      {BARS.map((share) => (
        <i key={share} style={{ height: `${Math.round(20 + 80 * Math.min(1, volume * share))}%` }} />
      ))}
    </span>
  );
}

function Face({ tile, rect }: { tile: Tile; rect: Rect }) {
  const size = Math.max(40, Math.min(rect.width, rect.height) * 0.34);
  return (
    <div
      className="absolute inset-0 grid place-items-center"
      style={backdrop(tile.peerId)}
      aria-hidden="true"
    >
      <span
        className="font-display leading-none font-semibold text-white/90"
        style={{ fontSize: size * 0.8 }}
      >
        {initials(tile.name)}
      </span>
    </div>
  );
}
