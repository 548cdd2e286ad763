// The meeting itself.

import { Link2, LoaderCircle, Lock, Users, Volume2, WifiOff } from "lucide-react";
import { useEffect, useState } from "react";
import { Chat } from "./Chat";
import { useMeeting, usePage } from "./context";
import { Dock } from "./Dock";
import { Help } from "./Help";
import { Mark } from "./Hemicycle";
import { Knock, People } from "./People";
import { Stage } from "./Stage";

export function Room() {
  const meeting = useMeeting();
  const blocked = usePage((state) => state.soundBlocked);
  return (
    <div className="flex h-dvh flex-col gap-2 bg-[radial-gradient(90%_60%_at_50%_-10%,#14252a,transparent)] p-2 sm:gap-3 sm:p-3">
      <TopBar />
      <Banner />
      <Knocks />
      {blocked && (
        <button
          type="button"
          onClick={() => meeting.soundBlocked(false)}
          className="absolute top-16 left-1/2 z-20 flex h-12 -translate-x-1/2 items-center gap-2 rounded-full bg-lime px-6 font-semibold text-ink shadow-xl"
        >
          <Volume2 className="size-5" aria-hidden="true" /> Switch the sound on
        </button>
      )}
      <div className="relative flex min-h-0 flex-1 gap-2 sm:gap-3">
        <Stage />
        <Chat />
        <People />
      </div>
      <Dock />
      <Help />
    </div>
  );
}

function TopBar() {
  const meeting = useMeeting();
  const room = usePage((state) => state.facts.title || state.room);
  const locked = usePage((state) => state.facts.locked);
  const people = usePage((state) => state.people);
  const count = usePage((state) => state.peers.length + 1);
  return (
    <header className="flex h-10 shrink-0 items-center justify-between gap-3 px-1.5">
      <h1 className="flex min-w-0 items-center gap-2.5 font-display text-lg font-semibold tracking-tight">
        <Mark className="h-5 shrink-0 text-lime" />
        <span className="sr-only">Meeting </span>
        <span className="truncate">{room}</span>
        {locked && <Lock className="size-4 shrink-0 text-amber" role="img" aria-label="locked" />}
      </h1>
      <div className="flex shrink-0 items-center gap-2 text-sm">
        <button
          type="button"
          onClick={() => meeting.togglePeople()}
          aria-expanded={people}
          aria-keyshortcuts="p"
          title="People (p)"
          className={`flex h-9 items-center gap-1.5 rounded-full px-3 tabular-nums transition ${people ? "bg-lime text-ink" : "text-mist hover:bg-white/10 hover:text-chalk"}`}
        >
          <Users className="size-4" aria-hidden="true" />
          <span data-testid="count">{count}</span>
          <span className="sr-only">{count === 1 ? "person is" : "people are"} here</span>
        </button>
        <button
          type="button"
          onClick={() => void meeting.copyLink()}
          aria-keyshortcuts="l"
          title="Copy the link to this meeting (l)"
          className="flex h-9 items-center gap-2 rounded-full bg-white/10 px-4 font-medium transition hover:bg-white/20"
        >
          <Link2 className="size-4" aria-hidden="true" />
          <span className="sm:hidden">Link</span>
          <span className="hidden sm:inline">Copy link</span>
        </button>
      </div>
    </header>
  );
}

// At most so many take room from the pictures, whose buttons they leave free; the list of people has all of them.
const KNOCKS_SHOWN = 3;

function Knocks() {
  const knocks = usePage((state) => state.knocks);
  const people = usePage((state) => state.people);
  if (people || knocks.length === 0) return null;
  return (
    <section aria-label="At the door" className="flex shrink-0 flex-wrap justify-end gap-2">
      {knocks.slice(0, KNOCKS_SHOWN).map((person) => (
        <div key={person.id} className="rise w-full rounded-2xl ring-1 ring-white/10 sm:w-88">
          <Knock person={person} />
        </div>
      ))}
    </section>
  );
}

// What is wrong with the connection, as long as something is.
function Banner() {
  const meeting = useMeeting();
  const link = usePage((state) => state.link);
  const phase = usePage((state) => state.phase);
  if (link.state === "up") return null;
  const first = phase === "joining";
  const down = link.state === "down" || link.state === "resuming";
  const title = down
    ? first
      ? "The server does not answer"
      : "Connection lost"
    : link.state === "weak"
      ? "Sound and picture are interrupted"
      : "Joining…";
  return (
    <div
      role="status"
      data-testid="banner"
      data-link={link.state}
      className="pointer-events-none absolute inset-x-0 top-16 z-10 flex justify-center px-3"
    >
      <div className="rise glass pointer-events-auto flex min-h-12 items-center gap-3 rounded-full py-2 pr-3 pl-5 shadow-2xl">
        {down ? (
          <WifiOff className="size-5 shrink-0 text-amber" aria-hidden="true" />
        ) : (
          <LoaderCircle className="size-5 shrink-0 animate-spin text-lime" aria-hidden="true" />
        )}
        <p className="pr-2 text-sm">
          <strong className="font-semibold">{title}</strong>
          {(down || link.state === "weak") && (
            <span className="text-mist">
              {" "}
              · reconnecting
              <Countdown until={link.retryAt} />
            </span>
          )}
        </p>
        {down && link.attempt > 1 && (
          <button
            type="button"
            onClick={() => meeting.retryNow()}
            className="h-8 rounded-full bg-white/10 px-3 text-sm font-medium whitespace-nowrap hover:bg-white/20"
          >
            Try now
          </button>
        )}
      </div>
    </div>
  );
}

// Hidden from screen readers, who would be told every second.
function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((until - now) / 1000);
  return <span aria-hidden="true">{seconds > 1 ? ` in ${seconds} s` : "…"}</span>;
}
