// How one looks and sounds, before anybody else sees and hears it.

import { ChevronDown, Mic, MicOff, Video, VideoOff } from "lucide-react";
import { type RefObject, useEffect, useRef } from "react";
import { watchLevel } from "../media/level";
import { hue, initials } from "../util/identity";
import { useMeeting, usePage } from "./context";
import { VideoView } from "./MediaView";

const DOTS = 7;

export function Preview({ hall }: { hall: RefObject<SVGSVGElement | null> }) {
  const meeting = useMeeting();
  const me = usePage((state) => state.me);
  const camera = usePage((state) => state.camera);
  const mic = usePage((state) => state.mic);
  const meter = useRef<HTMLDivElement>(null);
  useMeter(mic.on ? mic.track : undefined, meter, hall);
  return (
    <section aria-label="Preview" className="relative w-full">
      <div className="relative aspect-[4/3] max-h-[38dvh] w-full overflow-hidden rounded-[1.75rem] md:max-h-none bg-bench shadow-2xl shadow-black/50 ring-1 ring-white/10 sm:aspect-video">
        {camera.track ? (
          <VideoView track={camera.track} label="Your camera" mirrored />
        ) : (
          <div className="absolute inset-0 grid place-items-center" style={backdrop(me.id)}>
            <div className="text-center">
              <p className="font-display text-7xl font-semibold text-white/90">{initials(me.name || "?")}</p>
              <p className="mt-2 text-sm text-white/60">
                {camera.busy ? "Starting the camera…" : "Your camera is off"}
              </p>
            </div>
          </div>
        )}
        <div className="absolute inset-x-0 bottom-0 flex items-end justify-between gap-3 bg-gradient-to-t from-black/60 to-transparent p-4 pt-16 sm:p-5">
          {/* biome-ignore lint/a11y/useSemanticElements: a meter element cannot be drawn as dots. */}
          <div
            ref={meter}
            role="meter"
            aria-label="Microphone level"
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={0}
            className="flex items-center gap-1.5 pb-5"
          >
            {Array.from({ length: DOTS }, (_, index) => (
              <i key={index} className="size-2 rounded-full bg-lime opacity-20" />
            ))}
          </div>
          <div className="flex gap-3">
            <Toggle
              on={mic.on}
              busy={mic.busy}
              noun="microphone"
              shortcut="m"
              icons={[Mic, MicOff]}
              onClick={() => meeting.toggleMic()}
            />
            <Toggle
              on={camera.on}
              busy={camera.busy}
              noun="camera"
              shortcut="v"
              icons={[Video, VideoOff]}
              onClick={() => meeting.toggleCamera()}
            />
          </div>
        </div>
      </div>
      <Choices />
    </section>
  );
}

interface ToggleProps {
  on: boolean;
  busy: boolean;
  noun: string;
  shortcut: string;
  icons: [typeof Mic, typeof Mic];
  onClick: () => void;
}

function Toggle({ on, busy, noun, shortcut, icons: [On, Off], onClick }: ToggleProps) {
  const Icon = on ? On : Off;
  return (
    <button
      type="button"
      onClick={onClick}
      disabled={busy}
      aria-pressed={on}
      aria-label={`Your ${noun}`}
      aria-keyshortcuts={shortcut}
      title={`${on ? "Switch off" : "Switch on"} the ${noun} (${shortcut})`}
      className={`grid size-14 place-items-center rounded-full backdrop-blur transition hover:scale-105 active:scale-95 disabled:opacity-60 ${
        on ? "bg-white/15 text-white ring-1 ring-white/25 hover:bg-white/25" : "bg-coral text-ink"
      }`}
    >
      <Icon className="size-6" aria-hidden="true" />
    </button>
  );
}

function Choices() {
  const meeting = useMeeting();
  const { mics, cameras } = usePage((state) => state.devices);
  const micId = usePage((state) => state.micId);
  const cameraId = usePage((state) => state.cameraId);
  const lists = [
    { noun: "Microphone", all: mics, chosen: micId, source: "mic" as const },
    { noun: "Camera", all: cameras, chosen: cameraId, source: "camera" as const },
  ].filter(({ all }) => all.length > 0);
  if (lists.length === 0) return null;
  return (
    <div className="mt-3 grid grid-flow-col auto-cols-[minmax(0,1fr)] gap-3 sm:mt-4">
      {lists.map(({ noun, all, chosen, source }) => (
        <div key={source} className="relative">
          <select
            aria-label={noun}
            className="field h-11 appearance-none truncate pr-10 text-sm"
            value={all.some(({ id }) => id === chosen) ? chosen : (all[0]?.id ?? "")}
            onChange={(event) => void meeting.local.choose(source, event.target.value)}
          >
            {all.map(({ id, label }) => (
              <option key={id} value={id} className="bg-bench">
                {label}
              </option>
            ))}
          </select>
          <ChevronDown
            className="pointer-events-none absolute top-1/2 right-3 size-4 -translate-y-1/2 text-mist"
            aria-hidden="true"
          />
        </div>
      ))}
    </div>
  );
}

export function backdrop(id: string): { background: string } {
  const angle = hue(id);
  return {
    background: `radial-gradient(120% 130% at 25% 0%, oklch(0.5 0.11 ${angle}) 0%, oklch(0.3 0.075 ${angle + 25}) 55%, oklch(0.2 0.04 ${angle + 40}) 100%)`,
  };
}

// Written past React: sixty updates a second of two small things.
function useMeter(
  track: MediaStreamTrack | undefined,
  meter: RefObject<HTMLDivElement | null>,
  hall: RefObject<SVGSVGElement | null>,
): void {
  useEffect(() => {
    const show = (level: number): void => {
      const dots = meter.current?.children ?? [];
      for (let i = 0; i < dots.length; i += 1) {
        (dots[i] as HTMLElement).style.opacity = String(level * DOTS > i + 0.3 ? 1 : 0.22);
      }
      meter.current?.setAttribute("aria-valuenow", String(Math.round(level * 100)));
      const rows = hall.current?.children ?? [];
      for (let i = 0; i < rows.length; i += 1) {
        const lit = Math.min(1, Math.max(0, level * (rows.length + 1) - i));
        (rows[i] as SVGElement).style.opacity = String(0.3 + 0.7 * lit);
        (rows[i] as SVGElement).style.color = lit > 0.05 ? "var(--color-lime)" : "";
      }
    };
    show(0);
    return track ? watchLevel(track, show) : undefined;
  }, [track, meter, hall]);
}
