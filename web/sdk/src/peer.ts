// Somebody else in the room.

import type { RemoteTrack } from "./remote.js";
import type { Json } from "./wire/frames.js";
import type { PeerInfo, ProducerInfo, Role } from "./wire/messages.js";

export class Peer {
  readonly id: string;
  displayName: string;
  device: Json;
  role: Role;
  handRaised: boolean;
  appData: Json;
  // What the peer sends, also of what is not received here.
  readonly producers = new Map<string, ProducerInfo>();
  readonly #tracks: () => Iterable<RemoteTrack>;

  constructor(info: PeerInfo, tracks: () => Iterable<RemoteTrack>) {
    this.id = info.peerId;
    this.displayName = info.displayName;
    this.device = info.device;
    this.role = info.role;
    this.handRaised = info.handRaised;
    this.appData = info.appData;
    this.#tracks = tracks;
    this.update(info);
  }

  // What is received of the peer.
  get tracks(): RemoteTrack[] {
    return [...this.#tracks()].filter(({ peerId }) => peerId === this.id);
  }

  track(source: string): RemoteTrack | undefined {
    return this.tracks.find((track) => track.source === source);
  }

  update(info: PeerInfo): void {
    this.displayName = info.displayName;
    this.device = info.device;
    this.role = info.role;
    this.handRaised = info.handRaised;
    this.appData = info.appData;
    this.producers.clear();
    for (const producer of info.producers) this.producers.set(producer.producerId, producer);
  }
}
