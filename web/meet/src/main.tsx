import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Meeting } from "./room/meeting";
import { createPageStore } from "./store/store";
import { App } from "./ui/App";
import { randomId, randomRoom, remembered } from "./util/identity";
import { parseParams } from "./util/params";
import "./index.css";

declare global {
  interface Window {
    // For the console: the state of the page and the raw statistics.
    plenum?: Meeting;
  }
}

async function main(): Promise<void> {
  const root = document.getElementById("root");
  if (!root) throw new Error("the page has no root element");
  const params = parseParams(location.search);
  const store = createPageStore(params.room ?? randomRoom(), {
    id: params.peer ?? randomId(),
    name: params.name ?? remembered("name"),
  });
  const view = params.view ?? remembered("view");
  store.setState({ view: view === "grid" ? "grid" : "speaker" });
  const meeting = new Meeting(store, params);
  window.plenum = meeting;
  createRoot(root).render(
    <StrictMode>
      <App meeting={meeting} />
    </StrictMode>,
  );
  await meeting.local.start(params);
  if (params.autojoin && params.room && store.getState().phase === "lobby") meeting.join();
}

void main();
