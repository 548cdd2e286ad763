// The list of keys.

import { X } from "lucide-react";
import { useEffect, useRef } from "react";
import { useMeeting, usePage } from "./context";
import { SHORTCUTS } from "./shortcuts";

export function Help() {
  const meeting = useMeeting();
  const open = usePage((state) => state.help);
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) ref.current?.showModal();
    else ref.current?.close();
  }, [open]);
  return (
    <dialog
      ref={ref}
      aria-label="Keyboard shortcuts"
      onClose={() => meeting.toggleHelp(false)}
      className="m-auto w-[min(26rem,calc(100vw-2rem))] rounded-3xl bg-hall p-6 text-chalk shadow-2xl ring-1 ring-white/10 backdrop:bg-black/60 backdrop:backdrop-blur-sm"
    >
      <div className="flex items-center justify-between">
        <h2 className="font-display text-2xl font-semibold tracking-tight">Keys</h2>
        <button
          type="button"
          onClick={() => meeting.toggleHelp(false)}
          aria-label="Close"
          className="grid size-9 place-items-center rounded-full text-mist hover:bg-white/10 hover:text-chalk"
        >
          <X className="size-5" aria-hidden="true" />
        </button>
      </div>
      <ul className="mt-4 grid gap-3">
        {[...SHORTCUTS, { key: " ", shown: "space", text: "Hold to talk while muted" }].map(
          ({ key, shown, text }) => (
            <li key={key} className="flex items-center justify-between gap-4 text-sm">
              <span className="text-mist">{text}</span>
              <kbd className="kbd">{shown}</kbd>
            </li>
          ),
        )}
      </ul>
    </dialog>
  );
}
