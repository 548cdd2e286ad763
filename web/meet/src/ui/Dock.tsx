// The buttons of the meeting.

import { canShareScreen } from "@plenum/client";
import {
  Activity,
  Hand,
  Keyboard,
  LayoutGrid,
  LogOut,
  MessageSquare,
  Mic,
  MicOff,
  MonitorUp,
  MonitorX,
  Video,
  VideoOff,
} from "lucide-react";
import type { ReactNode } from "react";
import { useMeeting, usePage } from "./context";

export function Dock() {
  const meeting = useMeeting();
  const mic = usePage((state) => state.mic);
  const camera = usePage((state) => state.camera);
  const screen = usePage((state) => state.screen);
  const statsShown = usePage((state) => state.statsShown);
  const help = usePage((state) => state.help);
  const chatOpen = usePage((state) => state.chat.open);
  const unread = usePage((state) => state.chat.unread);
  const hand = usePage((state) => state.self.hand);
  const may = usePage((state) => state.self.may);
  const live = usePage((state) => state.phase === "live");
  const alike = usePage((state) => state.view === "grid");
  return (
    <div className="flex shrink-0 justify-center pb-[env(safe-area-inset-bottom)]">
      <div
        role="toolbar"
        aria-label="Meeting controls"
        className="glass flex items-center gap-1.5 rounded-full p-1.5 max-[26rem]:gap-1 sm:gap-2 sm:p-2"
      >
        <DockButton
          label={mic.on ? "Mute microphone" : "Unmute microphone"}
          shortcut="m"
          look={mic.on ? "plain" : "off"}
          busy={mic.busy}
          idle={live && !may.has("audio")}
          onClick={() => meeting.toggleMic()}
        >
          {mic.on ? <Mic /> : <MicOff />}
        </DockButton>
        <DockButton
          label={camera.on ? "Switch camera off" : "Switch camera on"}
          shortcut="v"
          look={camera.on ? "plain" : "off"}
          busy={camera.busy}
          idle={live && !may.has("video")}
          onClick={() => meeting.toggleCamera()}
        >
          {camera.on ? <Video /> : <VideoOff />}
        </DockButton>
        {canShareScreen() && (
          <DockButton
            label={screen.on ? "Stop sharing" : "Share your screen"}
            shortcut="s"
            look={screen.on ? "active" : "plain"}
            busy={screen.busy}
            idle={live && !may.has("screen")}
            onClick={() => meeting.toggleScreen()}
          >
            {screen.on ? <MonitorX /> : <MonitorUp />}
          </DockButton>
        )}
        <DockButton
          label={hand ? "Lower your hand" : "Raise your hand"}
          shortcut="h"
          look={hand ? "raised" : "plain"}
          onClick={() => meeting.toggleHand()}
        >
          <Hand />
        </DockButton>
        <DockButton
          label={chatOpen ? "Close the chat" : unread > 0 ? `Open the chat, ${unread} new` : "Open the chat"}
          shortcut="c"
          look={chatOpen ? "active" : "plain"}
          onClick={() => meeting.toggleChat()}
        >
          <MessageSquare />
          {unread > 0 && (
            <span
              data-testid="unread"
              aria-hidden="true"
              className="absolute -top-0.5 -right-0.5 grid h-5 min-w-5 place-items-center rounded-full bg-lime px-1 text-[0.7rem] leading-none font-bold text-ink tabular-nums"
            >
              {unread > 9 ? "9+" : unread}
            </span>
          )}
        </DockButton>
        <span className="mx-0.5 h-7 w-px bg-white/10" aria-hidden="true" />
        <DockButton
          label={alike ? "Show who speaks large" : "Show everybody alike"}
          shortcut="g"
          look={alike ? "active" : "quiet"}
          className="hidden sm:grid"
          onClick={() => meeting.toggleView()}
        >
          <LayoutGrid />
        </DockButton>
        <DockButton
          label={statsShown ? "Hide statistics" : "Show statistics"}
          shortcut="i"
          look={statsShown ? "active" : "quiet"}
          onClick={() => meeting.toggleStats()}
        >
          <Activity />
        </DockButton>
        <DockButton
          label="Keyboard shortcuts"
          shortcut="?"
          look={help ? "active" : "quiet"}
          className="hidden sm:grid"
          onClick={() => meeting.toggleHelp()}
        >
          <Keyboard />
        </DockButton>
        <span className="mx-0.5 h-7 w-px bg-white/10" aria-hidden="true" />
        <DockButton label="Leave the meeting" look="leave" onClick={() => meeting.leave()}>
          <LogOut />
        </DockButton>
      </div>
    </div>
  );
}

const LOOKS = {
  plain: "bg-white/10 hover:bg-white/20 text-chalk",
  quiet: "text-mist hover:bg-white/10 hover:text-chalk",
  active: "bg-lime text-ink hover:brightness-105",
  raised: "bg-amber text-ink hover:brightness-105",
  off: "bg-coral/15 text-coral ring-1 ring-inset ring-coral/50 hover:bg-coral/25",
  leave: "bg-coral text-ink hover:brightness-110 !w-14 sm:!w-16",
};

interface ButtonProps {
  label: string;
  shortcut?: string;
  look: keyof typeof LOOKS;
  busy?: boolean;
  // Not for who only listens.
  idle?: boolean;
  className?: string;
  onClick: () => void;
  children: ReactNode;
}

function DockButton({
  label,
  shortcut,
  look,
  busy = false,
  idle = false,
  className = "grid",
  onClick,
  children,
}: ButtonProps) {
  return (
    <button
      type="button"
      onClick={onClick}
      aria-label={label}
      aria-keyshortcuts={shortcut}
      aria-busy={busy}
      aria-disabled={idle}
      className={`group relative ${className} size-11 place-items-center rounded-full transition active:scale-95 max-[26rem]:size-10 sm:size-12 [&>svg]:size-5 ${LOOKS[look]} ${busy ? "animate-pulse" : ""} ${idle ? "opacity-40" : ""}`}
    >
      {children}
      <span
        aria-hidden="true"
        className="pointer-events-none absolute bottom-full left-1/2 z-20 mb-3 hidden -translate-x-1/2 items-center gap-2 rounded-lg bg-bench px-2.5 py-1.5 text-xs font-medium whitespace-nowrap text-chalk opacity-0 shadow-lg ring-1 ring-white/10 transition group-hover:opacity-100 group-focus-visible:opacity-100 sm:flex"
      >
        {label}
        {shortcut && <kbd className="kbd">{shortcut}</kbd>}
      </span>
    </button>
  );
}
