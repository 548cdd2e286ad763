// What a room is joined with.

import type { Token } from "./address.js";
import { browser } from "./browser.js";
import type { VideoCodec } from "./media/encodings.js";
import type { SessionOptions } from "./session.js";
import type { Json } from "./wire/frames.js";
import type { DeviceInfo, Subscription } from "./wire/messages.js";
import type { Connection as Line } from "./wire/socket.js";

export interface ConnectOptions {
  room: string;
  // Further nodes of a cluster, for when the first one does not answer. Nodes tell of others, too.
  urls?: readonly (string | URL)[];
  // Who this is; made up if absent. Of two connections with the same one, the newer one stays.
  peer?: string;
  token?: Token;
  namespace?: string;
  displayName?: string;
  // What others learn of the device; the browser if absent.
  device?: DeviceInfo;
  // For the application, told to everybody.
  appData?: Json;
  // What of the others is received without being asked for; everything if absent.
  subscription?: Subscription;
  // Sent as soon as the room is joined.
  publish?: readonly ("microphone" | "camera" | "screen")[];
  codec?: VideoCodec;
  forceTcp?: boolean;
  peerConnection?: Partial<RTCConfiguration>;
  onSender?: SessionOptions["onSender"];
  onReceiver?: SessionOptions["onReceiver"];
  // For tests: makes the connections.
  connect?: (url: string) => Line;
}

export function sessionOptions(options: ConnectOptions): SessionOptions {
  return {
    displayName: options.displayName ?? "",
    device: options.device ?? browser(navigator.userAgent),
    appData: options.appData ?? {},
    subscription: options.subscription ?? "all",
    codec: options.codec,
    forceTcp: options.forceTcp ?? false,
    peerConnection: options.peerConnection ?? {},
    onSender: options.onSender,
    onReceiver: options.onReceiver,
  };
}
