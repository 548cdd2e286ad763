// Keys of the page.

import { useEffect } from "react";
import type { Meeting } from "../room/meeting";

export interface Shortcut {
  key: string;
  shown: string;
  text: string;
  inLobby: boolean;
  run: (meeting: Meeting) => void;
}

export const SHORTCUTS: readonly Shortcut[] = [
  {
    key: "m",
    shown: "m",
    text: "Microphone on and off",
    inLobby: true,
    run: (meeting) => meeting.toggleMic(),
  },
  {
    key: "v",
    shown: "v",
    text: "Camera on and off",
    inLobby: true,
    run: (meeting) => meeting.toggleCamera(),
  },
  {
    key: "s",
    shown: "s",
    text: "Share your screen, or stop",
    inLobby: false,
    run: (meeting) => meeting.toggleScreen(),
  },
  {
    key: "i",
    shown: "i",
    text: "Statistics on every tile",
    inLobby: false,
    run: (meeting) => meeting.toggleStats(),
  },
  {
    key: "g",
    shown: "g",
    text: "Everybody alike, or who speaks large",
    inLobby: false,
    run: (meeting) => meeting.toggleView(),
  },
  {
    key: "c",
    shown: "c",
    text: "Chat",
    inLobby: false,
    run: (meeting) => meeting.toggleChat(),
  },
  {
    key: "h",
    shown: "h",
    text: "Raise your hand, or lower it",
    inLobby: false,
    run: (meeting) => meeting.toggleHand(),
  },
  {
    key: "p",
    shown: "p",
    text: "People, and what hosts can set",
    inLobby: false,
    run: (meeting) => meeting.togglePeople(),
  },
  {
    key: "l",
    shown: "l",
    text: "Copy the link to this meeting",
    inLobby: false,
    run: (meeting) => void meeting.copyLink(),
  },
  { key: "?", shown: "?", text: "Show these keys", inLobby: false, run: (meeting) => meeting.toggleHelp() },
];

type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "repeat"> & { target: unknown };

// The shortcut that a key press means. Typing into a field and keys of the browser mean none.
export function shortcut(event: Pressed, inMeeting: boolean): Shortcut | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return undefined;
  const tag = (event.target as { tagName?: string } | null)?.tagName ?? "";
  if (["INPUT", "SELECT", "TEXTAREA"].includes(tag)) return undefined;
  const key = event.key.toLowerCase();
  return SHORTCUTS.find((one) => one.key === key && (inMeeting || one.inLobby));
}

export function useShortcuts(meeting: Meeting): void {
  useEffect(() => {
    // Held down, the space bar opens a muted microphone, as on a radio set.
    let talking = false;
    const inMeeting = (): boolean => ["joining", "live"].includes(meeting.store.getState().phase);
    const down = (event: KeyboardEvent): void => {
      if (event.key === "Escape") meeting.toggleHelp(false);
      const found = shortcut(event, inMeeting());
      if (found) {
        event.preventDefault();
        found.run(meeting);
      } else if (event.key === " " && event.target === document.body && inMeeting()) {
        event.preventDefault();
        if (!event.repeat && !meeting.store.getState().mic.on) {
          talking = true;
          meeting.toggleMic();
        }
      }
    };
    const up = (event: KeyboardEvent): void => {
      if (event.key !== " " || !talking) return;
      talking = false;
      void meeting.local.setMic(false);
    };
    window.addEventListener("keydown", down);
    window.addEventListener("keyup", up);
    return () => {
      window.removeEventListener("keydown", down);
      window.removeEventListener("keyup", up);
    };
  }, [meeting]);
}
