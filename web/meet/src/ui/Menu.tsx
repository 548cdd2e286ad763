// A button with a list of things to do behind it.

import { EllipsisVertical } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";

export interface MenuItem {
  label: string;
  icon: ReactNode;
  danger?: boolean;
  run: () => void;
}

interface Props {
  label: string;
  items: readonly MenuItem[];
  className?: string;
}

const WIDTH = 208;
const ROW = 40;
const MARGIN = 8;

// The list stands above everything else on the page, so no tile can cut it off.
export function Menu({ label, items, className = "" }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const open = (): void => {
    const at = button.current?.getBoundingClientRect();
    const menu = list.current;
    if (!at || !menu) return;
    const height = items.length * ROW + 2 * MARGIN;
    const below = at.bottom + MARGIN + height < innerHeight;
    menu.style.left = `${Math.max(MARGIN, Math.min(at.right - WIDTH, innerWidth - WIDTH - MARGIN))}px`;
    menu.style.top = `${Math.max(MARGIN, below ? at.bottom + MARGIN : at.top - MARGIN - height)}px`;
  };
  const choose = (item: MenuItem): void => {
    list.current?.hidePopover();
    button.current?.focus();
    item.run();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        popoverTarget={id}
        aria-haspopup="menu"
        aria-label={label}
        // A double click on a tile pins it.
        onDoubleClick={(event) => event.stopPropagation()}
        className={`grid size-8 place-items-center rounded-full transition ${className}`}
      >
        <EllipsisVertical className="size-4" aria-hidden="true" />
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        aria-label={label}
        onBeforeToggle={(event) => event.newState === "open" && open()}
        onToggle={(event) => event.newState === "open" && focusable(list.current)[0]?.focus()}
        onKeyDown={move}
        onDoubleClick={(event) => event.stopPropagation()}
        style={{ width: WIDTH }}
        className="fixed m-0 rounded-2xl bg-bench p-2 text-sm text-chalk shadow-2xl ring-1 ring-white/15"
      >
        {items.map((item) => (
          <button
            key={item.label}
            type="button"
            role="menuitem"
            onClick={() => choose(item)}
            style={{ height: ROW }}
            className={`flex w-full items-center gap-3 rounded-xl px-3 text-left hover:bg-white/10 focus-visible:bg-white/10 [&>svg]:size-4 [&>svg]:shrink-0 ${item.danger ? "text-coral" : ""}`}
          >
            {item.icon}
            {item.label}
          </button>
        ))}
      </div>
    </>
  );
}

const STEPS: Record<string, (at: number, count: number) => number> = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at - 1 + count) % count,
  Home: () => 0,
  End: (_, count) => count - 1,
};

function move(event: KeyboardEvent<HTMLElement>): void {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const items = focusable(event.currentTarget);
  const at = items.indexOf(document.activeElement as HTMLElement);
  items[step(at, items.length)]?.focus();
}

function focusable(menu: HTMLElement | null): HTMLElement[] {
  return [...(menu?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
}
