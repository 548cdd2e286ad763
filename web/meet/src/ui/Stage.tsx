// The area of the tiles.

import type { Place } from "@plenum/client";
import { Link2 } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { staged, tiles } from "../store/tiles";
import { type Box, grid, type Rect, stage } from "../util/layout";
import { useMeeting, usePage } from "./context";
import { TileView } from "./TileView";

const NARROW = 640;

export function Stage() {
  const ref = useRef<HTMLDivElement>(null);
  const area = useSize(ref);
  const me = usePage((state) => state.me);
  const self = usePage((state) => state.self);
  const peers = usePage((state) => state.peers);
  const media = usePage((state) => state.media);
  const camera = usePage((state) => state.camera);
  const mic = usePage((state) => state.mic);
  const screen = usePage((state) => state.screen);
  const pinned = usePage((state) => state.pinned);
  const dominant = usePage((state) => state.dominant);
  const view = usePage((state) => state.view);
  const away = usePage((state) => state.link.state === "down" || state.phase === "joining");
  const shown = useMemo(
    () => tiles({ me, self, peers, media, camera, mic, screen }),
    [me, self, peers, media, camera, mic, screen],
  );
  const onStage = staged(shown, { pinned, dominant, view });
  const alone = peers.length === 0 && !onStage && !away;
  const gap = area.width < NARROW ? 8 : 12;
  const rects = useMemo(
    () =>
      place(
        shown.map(({ id }) => id),
        onStage?.id,
        alone,
        area,
        gap,
      ),
    [shown, onStage?.id, alone, area, gap],
  );
  useWatched(rects, onStage?.id);
  const invite = rects.get(INVITE);
  return (
    <main
      ref={ref}
      aria-label="Participants"
      className={`relative min-h-0 min-w-0 flex-1 transition duration-500 ${away ? "opacity-60 saturate-0" : ""}`}
    >
      {shown.map((tile) => {
        const rect = rects.get(tile.id);
        return rect && <TileView key={tile.id} tile={tile} rect={rect} pinned={tile.id === pinned} />;
      })}
      {invite && <Invite rect={invite} />}
    </main>
  );
}

const INVITE = "invite";

function place(
  ids: string[],
  onStage: string | undefined,
  alone: boolean,
  area: Box,
  gap: number,
): Map<string, Rect> {
  if (onStage === undefined) {
    const all = alone ? [...ids, INVITE] : ids;
    const rects = grid(all.length, area, gap);
    return new Map(all.flatMap((id, index) => (rects[index] ? [[id, rects[index]] as const] : [])));
  }
  const others = ids.filter((id) => id !== onStage);
  const { main, others: rects } = stage(others.length, area, gap);
  const placed = new Map<string, Rect>([[onStage, main]]);
  others.forEach((id, index) => {
    const rect = rects[index];
    if (rect) placed.set(id, rect);
  });
  return placed;
}

// What is received follows where it is shown.
function useWatched(rects: Map<string, Rect>, onStage: string | undefined): void {
  const meeting = useMeeting();
  useEffect(() => {
    const places = [...rects].map(([id, { width, height }]): [string, Place] => [
      id,
      { width, height, staged: id === onStage },
    ]);
    meeting.watch(new Map(places));
  }, [meeting, rects, onStage]);
}

function Invite({ rect }: { rect: Rect }) {
  const meeting = useMeeting();
  const room = usePage((state) => state.room);
  return (
    <section
      className="tile grid place-items-center !bg-transparent p-6 text-center"
      style={{ width: rect.width, height: rect.height, transform: `translate(${rect.x}px, ${rect.y}px)` }}
    >
      <div>
        <h2 className="font-display text-2xl font-semibold tracking-tight text-balance sm:text-4xl">
          You are the first one here<span className="text-lime">.</span>
        </h2>
        <p className="mx-auto mt-2 max-w-sm text-sm text-mist sm:text-base">
          Others come in with the link, or with the name of the room:{" "}
          <strong className="text-chalk">{room}</strong>
        </p>
        <button
          type="button"
          onClick={() => void meeting.copyLink()}
          className="mx-auto mt-5 flex h-12 items-center gap-2 rounded-full bg-lime px-6 font-semibold text-ink transition hover:brightness-105 active:scale-[0.98]"
        >
          <Link2 className="size-5" aria-hidden="true" /> Copy the link
        </button>
      </div>
    </section>
  );
}

function useSize(ref: React.RefObject<HTMLElement | null>): Box {
  const [box, setBox] = useState<Box>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = (): void => setBox({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return box;
}
