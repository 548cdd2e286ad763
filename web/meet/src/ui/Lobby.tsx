// Before the meeting: who, where, and with which devices.

import { ArrowRight } from "lucide-react";
import { type FormEvent, useRef } from "react";
import { cleanRoom } from "../util/params";
import { useMeeting, usePage } from "./context";
import { Hemicycle, Mark } from "./Hemicycle";
import { Preview } from "./Preview";

export function Lobby() {
  const meeting = useMeeting();
  const name = usePage((state) => state.me.name);
  const room = usePage((state) => state.room);
  const hall = useRef<SVGSVGElement>(null);
  const ready = cleanRoom(room) !== "";
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    meeting.join();
  };
  return (
    <div className="relative min-h-full overflow-hidden">
      <div className="pointer-events-none absolute -top-1/3 left-1/2 h-[90vh] w-[130vw] -translate-x-1/2 bg-[radial-gradient(closest-side,rgb(45_90_90/0.35),transparent)] md:left-[70%]" />
      <main className="relative mx-auto grid min-h-dvh max-w-6xl content-center gap-x-10 lg:gap-x-16 gap-y-5 px-5 py-6 sm:gap-y-8 md:grid-cols-[minmax(0,5fr)_minmax(0,6fr)] lg:px-8">
        <div className="rise md:self-end">
          <p className="flex items-center gap-2.5 font-display text-lg font-semibold tracking-tight">
            <Mark className="h-6 text-lime" /> Plenum
          </p>
          <h1 className="mt-3 font-display text-4xl leading-[0.95] font-semibold tracking-tight text-balance sm:mt-6 sm:text-6xl md:text-5xl lg:text-7xl">
            Take a seat<span className="text-lime">.</span>
          </h1>
          <p className="mt-4 hidden max-w-md text-base text-mist sm:block lg:text-lg [@media(max-height:30rem)]:hidden">
            Everybody who knows the name of the room can come in. Nothing to install, no account.
          </p>
        </div>
        <div
          className="rise relative mx-auto w-full max-w-2xl md:col-start-2 md:row-span-2 md:row-start-1 md:self-center"
          style={{ animationDelay: "90ms" }}
        >
          <Hemicycle
            ref={hall}
            rows={11}
            inner={0.5}
            dot={0.0085}
            className="pointer-events-none absolute bottom-10 left-1/2 w-[150%] max-w-none -translate-x-1/2 text-[#4a666c] md:w-[200%] md:[mask-image:linear-gradient(to_right,transparent_22%,black_36%)]"
          />
          <Preview hall={hall} />
        </div>
        <form onSubmit={submit} className="rise grid max-w-md gap-4 max-md:max-w-none md:self-start">
          <div className="grid gap-4 max-md:grid-cols-2 max-md:gap-3 [@media(max-height:30rem)]:grid-cols-2">
            <label className="block">
              <span className="mb-1.5 block text-sm font-medium text-mist">Your name</span>
              <input
                className="field"
                value={name}
                onChange={(event) => meeting.setName(event.target.value)}
                placeholder="Guest"
                autoComplete="nickname"
                maxLength={40}
                enterKeyHint="go"
              />
            </label>
            <label className="block">
              <span className="mb-1.5 block text-sm font-medium text-mist">Room</span>
              <input
                className="field"
                value={room}
                onChange={(event) => meeting.setRoom(event.target.value)}
                required
                autoCapitalize="none"
                autoComplete="off"
                spellCheck={false}
                maxLength={64}
                enterKeyHint="go"
              />
            </label>
          </div>
          <button
            type="submit"
            disabled={!ready}
            className="group mt-1 flex h-14 items-center justify-center gap-2 rounded-full bg-lime text-lg font-semibold text-ink transition hover:brightness-105 active:scale-[0.98] disabled:opacity-40"
          >
            Join
            <ArrowRight className="size-5 transition group-hover:translate-x-1" aria-hidden="true" />
          </button>
        </form>
      </main>
    </div>
  );
}
