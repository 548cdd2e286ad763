// What a page shows while something happens behind it. The functions run in the page.

export interface Continuity {
  // States of the connection that were shown.
  banners: string[];
  // Tiles, or pictures in them, that were not there at some moment.
  missing: string[];
  // What was said about comings and goings.
  announced: string[];
}

type Watching = Window & { continuity?: Continuity };

export function watchContinuity(): void {
  const seen: Continuity = { banners: [], missing: [], announced: [] };
  (window as Watching).continuity = seen;
  const note = (list: string[], what: string): void => {
    if (!list.includes(what)) list.push(what);
  };
  const tiles = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>("[data-testid=tile]")];
  const nameOf = ({ dataset }: HTMLElement): string => `${dataset.peer}/${dataset.source}`;
  const expected = new Map(tiles().map((tile) => [nameOf(tile), tile.dataset.video]));
  const announcement = (): string =>
    document.querySelector("[data-testid=announcement]")?.textContent?.trim() ?? "";
  const said = announcement();
  const look = (): void => {
    for (const banner of document.querySelectorAll<HTMLElement>("[data-testid=banner]"))
      note(seen.banners, banner.dataset.link ?? "unknown");
    const present = new Map(tiles().map((tile) => [nameOf(tile), tile.dataset.video]));
    for (const [name, video] of expected) if (present.get(name) !== video) note(seen.missing, name);
    if (announcement() !== said) note(seen.announced, announcement());
  };
  new MutationObserver(look).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    characterData: true,
  });
}

export function readContinuity(): Continuity {
  const seen = (window as Watching).continuity;
  if (!seen) throw new Error("nothing was watched");
  return seen;
}
