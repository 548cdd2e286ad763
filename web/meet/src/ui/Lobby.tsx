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
      <div className="pointer-events-none absolute inset-x-0 bottom-0 flex justify-center [mask-image:linear-gradient(to_top,black_30%,transparent)]">
        <Hemicycle ref={hall} rows={11} className="w-[max(100vw,60rem)] shrink-0 text-[#3d565c]" />
      </div>
      <div className="pointer-events-none absolute -top-1/3 left-1/2 h-[80vh] w-[120vw] -translate-x-1/2 bg-[radial-gradient(closest-side,rgb(45_90_90/0.35),transparent)]" />
      <main className="relative mx-auto grid min-h-dvh max-w-6xl content-center items-center gap-8 px-5 py-8 lg:grid-cols-[minmax(0,5fr)_minmax(0,6fr)] lg:gap-16 lg:px-8">
        <div className="rise">
          <p className="flex items-center gap-2.5 font-display text-lg font-semibold tracking-tight">
            <Mark className="h-6 text-lime" /> Plenum
          </p>
          <h1 className="mt-5 font-display text-5xl leading-[0.95] font-semibold tracking-tight text-balance sm:text-6xl lg:mt-8 lg:text-7xl">
            Take a seat<span className="text-lime">.</span>
          </h1>
          <p className="mt-4 max-w-md text-base text-mist sm:text-lg">
            Everybody who knows the name of the room can come in. Nothing to install, no account.
          </p>
          <form onSubmit={submit} className="mt-7 grid max-w-md gap-4 lg:mt-9">
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
            <button
              type="submit"
              disabled={!ready}
              className="group mt-1 flex h-14 items-center justify-center gap-2 rounded-full bg-lime text-lg font-semibold text-ink transition hover:brightness-105 active:scale-[0.98] disabled:opacity-40"
            >
              Join
              <ArrowRight className="size-5 transition group-hover:translate-x-1" aria-hidden="true" />
            </button>
          </form>
        </div>
        <div className="rise order-first lg:order-none" style={{ animationDelay: "90ms" }}>
          <Preview hall={hall} />
        </div>
      </main>
    </div>
  );
}
