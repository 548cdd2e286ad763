// Rooms of a Plenum node, in the browser.

export type { Token } from "./address.js";
export type { AttachOptions } from "./attach.js";
export { Chat, type ChatChannel, type ChatEvents, type ChatState, MAX_LINE } from "./chat.js";
export { type End, EndedError, type EndKind, RequestError } from "./errors.js";
export { Emitter, type Listener } from "./events.js";
export { type LocalOptions, LocalTrack } from "./local.js";
export {
  type CameraOptions,
  canShareScreen,
  type DeviceChoice,
  type DeviceList,
  listDevices,
  type MicOptions,
  openCamera,
  openMic,
  openScreen,
  type ScreenTracks,
  watchDevices,
} from "./media/devices.js";
export type { VideoCodec } from "./media/encodings.js";
export type { LayerCount, Layers, Place } from "./media/layers.js";
export type { Source } from "./media/source.js";
export { formatBitrate, type TrackStats } from "./media/stats.js";
export type { Knock, Self } from "./model.js";
export type { ConnectOptions } from "./options.js";
export { Peer } from "./peer.js";
export type { PublishOptions } from "./publishing.js";
export type { DataMessage } from "./receiving.js";
export { RemoteTrack } from "./remote.js";
export { connect, Room } from "./room.js";
export type { ConnectionState, RoomEvents, RoomState } from "./room_events.js";
export type { Direction } from "./session.js";
export type { View } from "./watching.js";
export type {
  DeviceInfo,
  Grants,
  PeerInfo,
  ProducerInfo,
  Right,
  Role,
  RoomInfo,
  Subscription,
} from "./wire/messages.js";
