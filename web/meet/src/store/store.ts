// The one store of the page.

import { useStore } from "zustand";
import { createStore, type StoreApi } from "zustand/vanilla";
import type { Problem } from "../media/problems";
import { initialState, noticed, type Person, type State } from "./state";

export type Store = StoreApi<State>;

export function createPageStore(room: string, me: Person): Store {
  return createStore<State>()(() => initialState(room, me));
}

let noticeId = 0;

export function notice(store: Store, tone: "info" | "error", { title, hint }: Problem): void {
  noticeId += 1;
  store.setState(noticed({ id: noticeId, tone, title, hint }));
}

export { useStore };
