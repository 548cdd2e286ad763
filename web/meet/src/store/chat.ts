// What people write to each other, and the pure steps from one state to the next.

import type { State } from "./state";

export interface ChatLine {
  id: number;
  // Who wrote it; undefined: the room's bot.
  peerId: string | undefined;
  // As it was then: who has left keeps the name.
  name: string;
  text: string;
  // In the clock of Date.now().
  at: number;
  // For the bot's ears only.
  toBot: boolean;
  // One's own, not on its way yet.
  waiting: boolean;
}

export interface ChatState {
  lines: ChatLine[];
  open: boolean;
  // Lines that came while nobody looked.
  unread: number;
  // "no": the server has no data channels.
  usable: "connecting" | "yes" | "no";
}

export const NO_CHAT: ChatState = { lines: [], open: false, unread: 0, usable: "connecting" };

// Nobody reads back further, and memory has an end.
const MAX_LINES = 500;

type Step = (state: State) => Partial<State>;

export function lineAdded(line: ChatLine): Step {
  return ({ chat, me }) => {
    const unseen = !chat.open && line.peerId !== me.id;
    return {
      chat: {
        ...chat,
        lines: [...chat.lines, line].slice(-MAX_LINES),
        unread: chat.unread + (unseen ? 1 : 0),
      },
      ...(unseen ? { announcement: `${line.name} writes: ${line.text}` } : {}),
    };
  };
}

export function lineSent(id: number): Step {
  return ({ chat }) => ({
    chat: { ...chat, lines: chat.lines.map((line) => (line.id === id ? { ...line, waiting: false } : line)) },
  });
}

export function chatShown(open: boolean): Step {
  return ({ chat }) => ({ chat: { ...chat, open, unread: open ? 0 : chat.unread } });
}

export function chatUsable(usable: ChatState["usable"]): Step {
  return ({ chat }) => (chat.usable === usable ? {} : { chat: { ...chat, usable } });
}
