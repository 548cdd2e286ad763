import type { Meeting } from "../room/meeting";
import { MeetingContext, usePage } from "./context";
import { Ended } from "./Ended";
import { Lobby } from "./Lobby";
import { Notices } from "./Notices";
import { Room } from "./Room";
import { useShortcuts } from "./shortcuts";
import { Waiting } from "./Waiting";

export function App({ meeting }: { meeting: Meeting }) {
  useShortcuts(meeting);
  return (
    <MeetingContext value={meeting}>
      <Screen />
      <Notices />
    </MeetingContext>
  );
}

function Screen() {
  const phase = usePage((state) => state.phase);
  if (phase === "lobby") return <Lobby />;
  if (phase === "ended") return <Ended />;
  if (phase === "waiting") return <Waiting />;
  return <Room />;
}
