// Whether anybody can see the page.

const CHANGES = ["visibilitychange", "enterpictureinpicture", "leavepictureinpicture"];

// A page in the background may have one of its pictures in a small window above all others.
export function pageSeen(): boolean {
  return document.visibilityState === "visible" || document.pictureInPictureElement != null;
}

// Calls back with every change until the returned function is called.
export function watchSeen(changed: (seen: boolean) => void): () => void {
  const look = (): void => changed(pageSeen());
  for (const name of CHANGES) document.addEventListener(name, look);
  return () => {
    for (const name of CHANGES) document.removeEventListener(name, look);
  };
}
