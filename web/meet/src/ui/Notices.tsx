// Short messages, and what screen readers are told.

import { Check, CircleAlert, X } from "lucide-react";
import { useEffect } from "react";
import type { Notice } from "../store/state";
import { useMeeting, usePage } from "./context";

// Errors wait to be read; the rest goes by itself.
const INFO_MS = 4_000;
const ERROR_MS = 15_000;

export function Notices() {
  const notices = usePage((state) => state.notices);
  const announcement = usePage((state) => state.announcement);
  return (
    <>
      <p className="sr-only" aria-live="polite" data-testid="announcement">
        {announcement}
      </p>
      <section
        aria-label="Messages"
        className="pointer-events-none fixed inset-x-3 bottom-20 z-30 grid justify-items-center gap-2 sm:right-5 sm:bottom-24 sm:left-auto sm:justify-items-end"
      >
        {notices.map((notice) => (
          <NoticeView key={notice.id} notice={notice} />
        ))}
      </section>
    </>
  );
}

function NoticeView({ notice }: { notice: Notice }) {
  const meeting = useMeeting();
  const error = notice.tone === "error";
  useEffect(() => {
    const timer = setTimeout(() => meeting.dismiss(notice.id), error ? ERROR_MS : INFO_MS);
    return () => clearTimeout(timer);
  }, [meeting, notice.id, error]);
  return (
    <div
      role={error ? "alert" : "status"}
      data-testid="notice"
      className="rise pointer-events-auto flex w-full max-w-sm items-start gap-3 rounded-2xl bg-bench/95 p-4 shadow-2xl ring-1 ring-white/10 backdrop-blur"
    >
      {error ? (
        <CircleAlert className="mt-0.5 size-5 shrink-0 text-coral" aria-hidden="true" />
      ) : (
        <Check className="mt-0.5 size-5 shrink-0 text-lime" aria-hidden="true" />
      )}
      <div className="min-w-0 flex-1 text-sm">
        <p className="font-semibold">{notice.title}</p>
        <p className="mt-0.5 break-words text-mist">{notice.hint}</p>
      </div>
      <button
        type="button"
        onClick={() => meeting.dismiss(notice.id)}
        aria-label="Dismiss"
        className="-m-1 grid size-8 shrink-0 place-items-center rounded-full text-mist hover:bg-white/10 hover:text-chalk"
      >
        <X className="size-4" aria-hidden="true" />
      </button>
    </div>
  );
}
