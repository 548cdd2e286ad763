// Who is here, who waits at the door, and what hosts can set.

import { Crown, DoorOpen, Ear, Hand, Lock, MicOff, UserRoundCheck, UserRoundX, X } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useId, useRef } from "react";
import type { Peer, Person, State } from "../store/state";
import { hue, initials } from "../util/identity";
import { useMeeting, usePage } from "./context";
import { hostItems } from "./hosting";
import { Menu } from "./Menu";

export function People() {
  const open = usePage((state) => state.people);
  return open ? <Panel /> : null;
}

function Panel() {
  const meeting = useMeeting();
  const host = usePage((state) => state.self.host);
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => close.current?.focus(), []);
  return (
    <aside
      aria-label="People"
      data-testid="people"
      onKeyDown={(event) => event.key === "Escape" && meeting.togglePeople(false)}
      className="rise glass absolute inset-0 z-10 flex min-h-0 flex-col overflow-hidden rounded-[1.1rem] !bg-hall/95 md:static md:w-80 md:shrink-0 lg:w-88"
    >
      <header className="flex h-12 shrink-0 items-center justify-between pr-2 pl-4">
        <h2 className="font-display text-lg font-semibold tracking-tight">People</h2>
        <button
          ref={close}
          type="button"
          onClick={() => meeting.togglePeople(false)}
          aria-label="Close the list of people"
          className="grid size-9 place-items-center rounded-full text-mist hover:bg-white/10 hover:text-chalk"
        >
          <X className="size-4" aria-hidden="true" />
        </button>
      </header>
      <div className="min-h-0 flex-1 space-y-5 overflow-y-auto overscroll-contain px-3 pb-3">
        <Knocks />
        <Everybody />
        {host && <Settings />}
      </div>
    </aside>
  );
}

function Knocks() {
  const knocks = usePage((state) => state.knocks);
  if (knocks.length === 0) return null;
  return (
    <section aria-label="At the door">
      <h3 className="px-1 pb-2 text-sm font-medium text-mist">At the door</h3>
      <ul className="space-y-2">
        {knocks.map((person) => (
          <li key={person.id}>
            <Knock person={person} />
          </li>
        ))}
      </ul>
    </section>
  );
}

// Somebody who waits, and the two answers.
export function Knock({ person: { id, name } }: { person: Person }) {
  const { host } = useMeeting();
  return (
    <div data-testid="knock" data-peer={id} className="flex items-center gap-2 rounded-2xl bg-bench p-2 pl-3">
      <Face id={id} name={name} />
      <p className="min-w-0 flex-1 truncate text-sm">
        <strong className="font-semibold">{name}</strong> <span className="text-mist">waits</span>
      </p>
      <button
        type="button"
        onClick={() => host.refuse(id)}
        aria-label={`Send ${name} away`}
        className="grid size-9 place-items-center rounded-full text-mist hover:bg-white/10 hover:text-coral"
      >
        <UserRoundX className="size-4" aria-hidden="true" />
      </button>
      <button
        type="button"
        onClick={() => host.admit(id)}
        aria-label={`Let ${name} in`}
        className="flex h-9 items-center gap-1.5 rounded-full bg-lime px-3 text-sm font-semibold text-ink hover:brightness-105"
      >
        <UserRoundCheck className="size-4" aria-hidden="true" /> Let in
      </button>
    </div>
  );
}

function Everybody() {
  const me = usePage((state) => state.me);
  const self = usePage((state) => state.self);
  const mic = usePage((state) => state.mic.on);
  const peers = usePage((state) => state.peers);
  const media = usePage((state) => state.media);
  // Who wants to speak comes first, in the order of coming otherwise.
  const others = [...peers].sort((a, b) => Number(b.hand) - Number(a.hand));
  return (
    <section aria-label="In the meeting">
      <h3 className="px-1 pb-2 text-sm font-medium text-mist">In the meeting · {peers.length + 1}</h3>
      <ul className="space-y-0.5">
        <Row peer={{ ...me, role: self.role, hand: self.hand }} self muted={!mic} />
        {others.map((peer) => (
          <Row key={peer.id} peer={peer} muted={!audible(media, peer.id)} />
        ))}
      </ul>
    </section>
  );
}

function audible(media: State["media"], peer: string): boolean {
  return Object.values(media).some(
    ({ peerId, source, paused }) => peerId === peer && source === "mic" && !paused,
  );
}

function visible(media: State["media"], peer: string): boolean {
  return Object.values(media).some(
    ({ peerId, source, paused }) => peerId === peer && source === "camera" && !paused,
  );
}

const ROLES = { host: "Host", speaker: "", listener: "Listens" };

function Row({ peer, muted, self = false }: { peer: Peer; muted: boolean; self?: boolean }) {
  const meeting = useMeeting();
  const host = usePage((state) => state.self.host);
  const picture = usePage((state) => visible(state.media, peer.id));
  const { id, name, role, hand } = peer;
  return (
    <li
      data-testid="person"
      data-peer={id}
      data-role={role}
      className="flex min-h-11 items-center gap-2.5 rounded-xl pr-1 pl-2 hover:bg-white/5"
    >
      <Face id={id} name={name} />
      <p className="min-w-0 flex-1 text-sm">
        <span className="block truncate font-medium">{self ? `${name} (you)` : name}</span>
        {ROLES[role] && (
          <span className="flex items-center gap-1 text-xs text-mist">
            {role === "host" ? (
              <Crown className="size-3 text-lime" aria-hidden="true" />
            ) : (
              <Ear className="size-3" aria-hidden="true" />
            )}
            {ROLES[role]}
          </span>
        )}
      </p>
      {hand && <Hand className="size-4 text-amber" role="img" aria-label="raises a hand" />}
      {muted && role !== "listener" && <MicOff className="size-4 text-coral" role="img" aria-label="muted" />}
      {host && !self && (
        <Menu
          label={`What to do with ${name}`}
          items={hostItems(meeting, peer, { sound: !muted, picture })}
          className="text-mist hover:bg-white/10 hover:text-chalk"
        />
      )}
    </li>
  );
}

function Face({ id, name }: { id: string; name: string }) {
  const colour = hue(id);
  return (
    <span
      aria-hidden="true"
      className="grid size-8 shrink-0 place-items-center rounded-full text-xs font-semibold text-white/90"
      style={{ background: `linear-gradient(140deg, hsl(${colour} 34% 34%), hsl(${colour + 40} 38% 20%))` }}
    >
      {initials(name)}
    </span>
  );
}

function Settings() {
  const { host } = useMeeting();
  const facts = usePage((state) => state.facts);
  const others = usePage((state) => state.peers.length > 0);
  return (
    <section aria-label="For hosts" className="space-y-2">
      <h3 className="px-1 text-sm font-medium text-mist">For hosts</h3>
      <Title title={facts.title} />
      <Switch
        on={facts.locked}
        icon={<Lock />}
        label="Locked"
        hint="Nobody else comes in"
        onChange={(on) => host.lock(on)}
      />
      <Switch
        on={facts.lobby}
        icon={<DoorOpen />}
        label="Lobby"
        hint="You let people in one by one"
        onChange={(on) => host.lobby(on)}
      />
      <MaxPeers max={facts.maxPeers} />
      <div className="flex flex-wrap gap-2 pt-1">
        <button
          type="button"
          disabled={!others}
          onClick={() => host.muteAll()}
          className="flex h-10 items-center gap-2 rounded-full bg-white/10 px-4 text-sm font-medium hover:bg-white/20 disabled:cursor-default disabled:opacity-40"
        >
          <MicOff className="size-4" aria-hidden="true" /> Mute everybody
        </button>
        <button
          type="button"
          onClick={() => host.end()}
          className="flex h-10 items-center gap-2 rounded-full bg-coral/15 px-4 text-sm font-medium text-coral ring-1 ring-coral/40 ring-inset hover:bg-coral/25"
        >
          End for everybody
        </button>
      </div>
    </section>
  );
}

function Switch(props: {
  on: boolean;
  icon: ReactNode;
  label: string;
  hint: string;
  onChange: (on: boolean) => void;
}) {
  const { on, icon, label, hint, onChange } = props;
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      aria-label={`${label}: ${hint}`}
      onClick={() => onChange(!on)}
      className="flex w-full items-center gap-3 rounded-2xl bg-bench px-3 py-2.5 text-left transition hover:brightness-110 [&>svg]:size-4 [&>svg]:shrink-0"
    >
      {icon}
      <span className="min-w-0 flex-1 text-sm">
        <span className="block font-medium">{label}</span>
        <span className="block text-xs text-mist">{hint}</span>
      </span>
      <span
        aria-hidden="true"
        className={`h-6 w-10 shrink-0 rounded-full p-0.5 transition ${on ? "bg-lime" : "bg-rail"}`}
      >
        <span
          className={`block size-5 rounded-full transition ${on ? "translate-x-4 bg-ink" : "bg-chalk/80"}`}
        />
      </span>
    </button>
  );
}

const MAX_TITLE = 80;

function Title({ title }: { title: string }) {
  const { host } = useMeeting();
  const id = useId();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const written = String(new FormData(event.currentTarget).get("title") ?? "").trim();
    if (written !== title) host.title(written);
  };
  return (
    // The field is made anew when somebody else has changed the title.
    <form key={title} onSubmit={submit} onBlur={submit} className="rounded-2xl bg-bench px-3 py-2.5">
      <label htmlFor={id} className="block text-xs text-mist">
        Title
      </label>
      <input
        id={id}
        name="title"
        defaultValue={title}
        maxLength={MAX_TITLE}
        placeholder="What this is about"
        autoComplete="off"
        className="w-full bg-transparent text-sm font-medium outline-none placeholder:font-normal placeholder:text-mist/60"
      />
    </form>
  );
}

function MaxPeers({ max }: { max: number | undefined }) {
  const { host } = useMeeting();
  const id = useId();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const written = Number(new FormData(event.currentTarget).get("max") ?? "");
    const wanted = Number.isInteger(written) && written > 0 ? written : undefined;
    if (wanted !== max) host.maxPeers(wanted ?? null);
  };
  return (
    <form
      key={max}
      onSubmit={submit}
      onBlur={submit}
      className="flex items-center gap-3 rounded-2xl bg-bench px-3 py-2.5"
    >
      <label htmlFor={id} className="flex-1 text-sm">
        <span className="block font-medium">At most</span>
        <span className="block text-xs text-mist">How many people may be here</span>
      </label>
      <input
        id={id}
        name="max"
        type="number"
        min={1}
        defaultValue={max ?? ""}
        placeholder="any"
        className="w-16 rounded-lg bg-rail/60 px-2 py-1 text-right text-sm font-medium tabular-nums outline-none placeholder:font-normal placeholder:text-mist"
      />
    </form>
  );
}
