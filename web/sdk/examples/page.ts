// What both examples need of their page.

export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}

export function query(): { room: string; displayName: string; server: string } {
  const all = new URLSearchParams(location.search);
  return {
    room: all.get("room") ?? "example",
    displayName: all.get("name") ?? "Guest",
    server: all.get("server") ?? location.origin,
  };
}
