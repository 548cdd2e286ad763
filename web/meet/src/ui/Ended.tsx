// The server ended the meeting for this page, or did not let it in.

import { useMeeting, usePage } from "./context";
import { Hemicycle } from "./Hemicycle";

export function Ended() {
  const meeting = useMeeting();
  const problem = usePage((state) => state.ended);
  return (
    <main className="relative grid min-h-dvh place-items-center overflow-hidden p-6">
      <Hemicycle
        rows={15}
        inner={0.3}
        dot={0.006}
        className="absolute bottom-0 w-[max(100vw,60rem)] text-rail [mask-image:radial-gradient(closest-side_at_50%_60%,transparent_35%,black)]"
      />
      <div role="alert" className="rise relative max-w-lg text-center">
        <h1 className="font-display text-4xl font-semibold tracking-tight text-balance sm:text-5xl">
          {problem?.title}
        </h1>
        <p className="mt-4 text-mist sm:text-lg">{problem?.hint}</p>
        <div className="mt-8 flex flex-wrap justify-center gap-3">
          <button
            type="button"
            onClick={() => meeting.rejoin()}
            className="h-13 rounded-full bg-lime px-7 font-semibold text-ink hover:brightness-105"
          >
            Join again
          </button>
          <button
            type="button"
            onClick={() => meeting.leave()}
            className="h-13 rounded-full bg-white/10 px-7 font-semibold hover:bg-white/20"
          >
            Back to the lobby
          </button>
        </div>
      </div>
    </main>
  );
}
