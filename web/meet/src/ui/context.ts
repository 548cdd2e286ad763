import { createContext, useContext } from "react";
import type { Meeting } from "../room/meeting";
import type { State } from "../store/state";
import { useStore } from "../store/store";

export const MeetingContext = createContext<Meeting | undefined>(undefined);

export function useMeeting(): Meeting {
  const meeting = useContext(MeetingContext);
  if (!meeting) throw new Error("rendered outside of a meeting");
  return meeting;
}

export function usePage<T>(select: (state: State) => T): T {
  return useStore(useMeeting().store, select);
}
