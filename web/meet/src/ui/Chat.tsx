// What people write to each other, beside the tiles.

import { MAX_LINE } from "@plenum/client";
import { Bot, SendHorizontal, X } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ChatLine } from "../store/chat";
import { useMeeting, usePage } from "./context";

export function Chat() {
  const open = usePage((state) => state.chat.open);
  return open ? <Panel /> : null;
}

function Panel() {
  const meeting = useMeeting();
  const lines = usePage((state) => state.chat.lines);
  return (
    <aside
      aria-label="Chat"
      data-testid="chat"
      className="rise glass absolute inset-0 z-10 flex min-h-0 flex-col overflow-hidden rounded-[1.1rem] !bg-hall/95 md:static md:w-80 md:shrink-0 lg:w-88"
    >
      <header className="flex h-12 shrink-0 items-center justify-between pr-2 pl-4">
        <h2 className="font-display text-lg font-semibold tracking-tight">Chat</h2>
        <button
          type="button"
          onClick={() => meeting.toggleChat(false)}
          aria-label="Close the chat"
          className="grid size-9 place-items-center rounded-full text-mist hover:bg-white/10 hover:text-chalk"
        >
          <X className="size-4" aria-hidden="true" />
        </button>
      </header>
      {lines.length > 0 ? <Lines lines={lines} /> : <Empty />}
      <Writer />
    </aside>
  );
}

function Empty() {
  return (
    <div className="grid min-h-0 flex-1 content-center gap-2 px-6 text-center text-sm text-mist">
      <p>What you write here, everybody reads who is in the meeting. It is kept nowhere.</p>
      <p>
        <span className="font-medium text-chalk">@bot hello</span> goes to the room’s bot, who tells everybody
        that you said so.
      </p>
    </div>
  );
}

function Lines({ lines }: { lines: ChatLine[] }) {
  const me = usePage((state) => state.me.id);
  const ref = useRef<HTMLOListElement>(null);
  // Who has scrolled up to read is left there.
  const atEnd = useRef(true);
  const last = lines.at(-1)?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new line is what this is about.
  useLayoutEffect(() => {
    const list = ref.current;
    if (list && atEnd.current) list.scrollTop = list.scrollHeight;
  }, [last]);
  const scrolled = (): void => {
    const list = ref.current;
    if (list) atEnd.current = list.scrollHeight - list.scrollTop - list.clientHeight < 48;
  };
  return (
    <ol
      ref={ref}
      role="log"
      aria-live="polite"
      onScroll={scrolled}
      className="min-h-0 flex-1 space-y-1 overflow-y-auto overscroll-contain px-3 pb-2"
    >
      {lines.map((line, index) => (
        <Line key={line.id} line={line} mine={line.peerId === me} follows={follows(lines[index - 1], line)} />
      ))}
    </ol>
  );
}

// Lines of one person that come soon after each other share a name.
const TOGETHER_MS = 120_000;

function follows(before: ChatLine | undefined, line: ChatLine): boolean {
  return before?.peerId === line.peerId && line.at - (before?.at ?? 0) < TOGETHER_MS;
}

function Line({ line, mine, follows }: { line: ChatLine; mine: boolean; follows: boolean }) {
  const bot = line.peerId === undefined;
  const look = mine
    ? "bg-lime text-ink rounded-br-md"
    : bot
      ? "bg-transparent text-mist ring-1 ring-white/10 rounded-bl-md"
      : "bg-bench text-chalk rounded-bl-md";
  return (
    <li
      data-testid="line"
      data-from={line.peerId ?? "bot"}
      data-waiting={line.waiting}
      className={`flex flex-col ${mine ? "items-end" : "items-start"} ${follows ? "" : "pt-2"}`}
    >
      {!follows && (
        <p className="flex items-center gap-1.5 px-1 pb-1 text-xs text-mist">
          {bot && <Bot className="size-3.5" aria-hidden="true" />}
          <span className={mine ? "sr-only" : "font-medium"}>{mine ? "You" : line.name}</span>
          <time className="tabular-nums" dateTime={new Date(line.at).toISOString()}>
            {clock(line.at)}
          </time>
        </p>
      )}
      <p
        data-testid="text"
        className={`max-w-[92%] rounded-2xl px-3 py-1.5 text-sm leading-snug break-words whitespace-pre-wrap transition-opacity ${look} ${line.waiting ? "opacity-50" : ""}`}
      >
        {line.text}
      </p>
    </li>
  );
}

function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function Writer() {
  const meeting = useMeeting();
  const usable = usePage((state) => state.chat.usable);
  const [text, setText] = useState("");
  const ref = useRef<HTMLTextAreaElement>(null);
  useEffect(() => ref.current?.focus(), []);
  const send = (event?: FormEvent): void => {
    event?.preventDefault();
    meeting.say(text);
    setText("");
  };
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === "Escape") meeting.toggleChat(false);
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  if (usable === "no") {
    return <p className="shrink-0 px-4 py-3 text-sm text-mist">This server carries no messages.</p>;
  }
  return (
    <form onSubmit={send} className="flex shrink-0 items-end gap-2 p-2">
      <textarea
        ref={ref}
        rows={1}
        value={text}
        maxLength={MAX_LINE}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
        aria-label="Message to everybody"
        placeholder={usable === "yes" ? "Write to everybody" : "Connecting…"}
        className="field !h-auto max-h-32 min-h-11 resize-none !rounded-3xl py-2.5 text-sm [field-sizing:content]"
      />
      <button
        type="submit"
        disabled={text.trim() === ""}
        aria-label="Send"
        className="grid size-11 shrink-0 place-items-center rounded-full bg-lime text-ink transition hover:brightness-105 active:scale-95 disabled:cursor-default disabled:bg-white/10 disabled:text-mist"
      >
        <SendHorizontal className="size-5" aria-hidden="true" />
      </button>
    </form>
  );
}
