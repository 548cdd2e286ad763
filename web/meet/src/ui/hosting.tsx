// What a host can do to somebody.

import { Crown, Ear, Hand, MicOff, MonitorX, Speech, UserRoundX, VideoOff } from "lucide-react";
import type { Meeting } from "../room/meeting";
import type { Peer } from "../store/state";
import type { MenuItem } from "./Menu";

// What of this is there to be taken away.
export interface Sending {
  sound: boolean;
  picture: boolean;
}

export function hostItems({ host }: Meeting, peer: Peer, sending: Sending): MenuItem[] {
  const { id, role, hand } = peer;
  const items: MenuItem[] = [];
  if (sending.sound) items.push({ label: "Mute", icon: <MicOff />, run: () => host.mute(id) });
  if (sending.picture)
    items.push({ label: "Stop the picture", icon: <VideoOff />, run: () => host.stopVideo(id) });
  if (hand) items.push({ label: "Lower the hand", icon: <Hand />, run: () => host.lowerHand(id) });
  if (role !== "host")
    items.push({ label: "Make a host", icon: <Crown />, run: () => host.setRole(id, "host") });
  if (role !== "speaker")
    items.push({
      label: role === "host" ? "No longer a host" : "Let speak",
      icon: <Speech />,
      run: () => host.setRole(id, "speaker"),
    });
  if (role !== "listener")
    items.push({ label: "Only listen", icon: <Ear />, run: () => host.setRole(id, "listener") });
  items.push({ label: "Remove", icon: <UserRoundX />, danger: true, run: () => host.remove(id) });
  return items;
}

export function screenItems({ host }: Meeting, peerId: string): MenuItem[] {
  return [{ label: "Stop the screen", icon: <MonitorX />, run: () => host.stopScreen(peerId) }];
}
