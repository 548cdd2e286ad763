// At the door, until a host opens.

import { useRef } from "react";
import { useMeeting, usePage } from "./context";
import { Hemicycle } from "./Hemicycle";
import { Preview } from "./Preview";

export function Waiting() {
  const meeting = useMeeting();
  const room = usePage((state) => state.facts.title || state.room);
  const hall = useRef<SVGSVGElement>(null);
  return (
    <main
      data-testid="waiting"
      className="relative grid min-h-dvh content-center gap-8 overflow-hidden p-6 md:grid-cols-2 md:items-center md:gap-12 lg:px-[8vw]"
    >
      <div role="status" className="rise relative z-10">
        <h1 className="font-display text-4xl leading-none font-semibold tracking-tight text-balance sm:text-6xl">
          You are at the door<span className="animate-pulse text-lime">.</span>
        </h1>
        <p className="mt-5 max-w-md text-mist sm:text-lg">
          A host of <strong className="font-semibold text-chalk">{room}</strong> has been told that you are
          here, and will let you in. Others neither see nor hear you yet.
        </p>
        <button
          type="button"
          onClick={() => meeting.leave()}
          className="mt-8 h-13 rounded-full bg-white/10 px-7 font-semibold hover:bg-white/20"
        >
          Do not wait
        </button>
      </div>
      <div className="rise relative mx-auto w-full max-w-2xl" style={{ animationDelay: "90ms" }}>
        <Hemicycle
          ref={hall}
          rows={11}
          inner={0.5}
          dot={0.0085}
          className="pointer-events-none absolute bottom-10 left-1/2 w-[150%] max-w-none -translate-x-1/2 text-[#4a666c] md:w-[200%] md:[mask-image:linear-gradient(to_right,transparent_22%,black_36%)]"
        />
        <Preview hall={hall} />
      </div>
    </main>
  );
}
