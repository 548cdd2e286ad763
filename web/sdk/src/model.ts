// Who is in the room, what the room is like, and what this client may do there: what the server says, put together.

import { Emitter } from "./events.js";
import { Peer } from "./peer.js";
import type { RemoteTrack } from "./remote.js";
import { type Json, object } from "./wire/frames.js";
import {
  type Grants,
  type Joined,
  type ProducerInfo,
  type Right,
  type Role,
  type RoomInfo,
  readGrants,
  readPeer,
  readProducer,
  readRole,
  readRoomState,
  text,
  type Welcome,
} from "./wire/messages.js";

// This client.
export interface Self {
  id: string;
  displayName: string;
  role: Role;
  grants: Grants;
  handRaised: boolean;
}

// Somebody who waits to be let in.
export interface Knock {
  peerId: string;
  displayName: string;
}

export interface ModelEvents {
  peerJoined: [peer: Peer];
  peerLeft: [peer: Peer];
  peerChanged: [peer: Peer];
  // What this client is and may do.
  selfChanged: [self: Self];
  // Lock, lobby, the most peers, metadata.
  roomChanged: [info: RoomInfo];
  // Who waits in the lobby; hosts are told.
  knocksChanged: [knocks: ReadonlyMap<string, Knock>];
  // Somebody began or stopped to send something, or paused it.
  producersChanged: [peer: Peer];
}

const NO_GRANTS = readGrants({ publish: [], subscribe: false });

export class Model extends Emitter<ModelEvents> {
  readonly peers = new Map<string, Peer>();
  readonly knocks = new Map<string, Knock>();
  info: RoomInfo;
  self: Self;
  readonly #tracks: () => Iterable<RemoteTrack>;
  // Of the latest session. After a move those who have not come along yet are still among the peers.
  readonly #present = new Set<string>();

  constructor(name: string, namespace: string, displayName: string, tracks: () => Iterable<RemoteTrack>) {
    super();
    this.info = {
      name,
      namespace,
      locked: false,
      lobby: false,
      maxPeers: undefined,
      metadata: undefined,
    };
    this.self = { id: "", displayName, role: "speaker", grants: NO_GRANTS, handRaised: false };
    this.#tracks = tracks;
  }

  // Whether something of this kind may be sent.
  may(right: Right): boolean {
    const { role, grants } = this.self;
    return role !== "listener" && !grants.hidden && grants.publish.includes(right);
  }

  get isHost(): boolean {
    return this.self.role === "host" || this.self.grants.admin;
  }

  welcome({ peerId, displayName, role, grants, room }: Welcome): void {
    const known = { ...(role ? { role } : {}), ...(displayName === undefined ? {} : { displayName }) };
    this.#changeSelf({ id: peerId, grants, ...known });
    this.info = room;
    this.emit("roomChanged", room);
  }

  // With `moved`, those who have not come along yet stay until the move is over.
  joined({ peers, displayName, role, grants }: Joined, moved: boolean): void {
    this.#present.clear();
    for (const info of peers) {
      if (info.peerId === this.self.id) continue;
      this.#present.add(info.peerId);
      this.#put(info);
    }
    if (!moved) this.settle();
    const { handRaised } = this.self;
    this.#changeSelf({
      ...(role ? { role } : {}),
      ...(grants ? { grants } : {}),
      ...(displayName === undefined ? {} : { displayName }),
      handRaised: moved && handRaised,
    });
    this.#forgetKnocks();
  }

  // Who has not come along has gone.
  settle(): void {
    for (const peer of [...this.peers.values()]) if (!this.#present.has(peer.id)) this.#left(peer);
  }

  // Nothing of before holds any more.
  clear(): void {
    this.#present.clear();
    this.settle();
    this.#forgetKnocks();
  }

  rename(displayName: string): void {
    this.#changeSelf({ displayName });
  }

  // False if it is not about any of this.
  notification(method: string, data: Json): boolean {
    switch (method) {
      case "peerJoined":
        this.#present.add(text(object(data.peer), "peerId"));
        this.#put(readPeer(object(data.peer)));
        return true;
      case "peerLeft":
        this.#present.delete(text(data, "peerId"));
        this.#leaves(text(data, "peerId"));
        return true;
      case "peerChanged":
        this.#peerChanged(data);
        return true;
      case "grantsChanged":
        this.#changeSelf({ grants: readGrants(data.grants) });
        return true;
      case "roomChanged":
        this.info = { ...this.info, ...readRoomState(data) };
        this.emit("roomChanged", this.info);
        return true;
      case "knock":
        this.#knock(data);
        return true;
      case "knockGone":
        if (this.knocks.delete(text(data, "peerId"))) this.emit("knocksChanged", this.knocks);
        return true;
      default:
        return this.#producers(method, data);
    }
  }

  #producers(method: string, data: Json): boolean {
    const change: Record<string, (peer: Peer) => void> = {
      producerAdded: (peer) => {
        const producer = readProducer(object(data.producer));
        peer.producers.set(producer.producerId, producer);
      },
      producerRemoved: (peer) => void peer.producers.delete(text(data, "producerId")),
      producerPaused: (peer) => pause(peer.producers.get(text(data, "producerId")), true),
      producerResumed: (peer) => pause(peer.producers.get(text(data, "producerId")), false),
    };
    const apply = change[method];
    if (!apply) return false;
    const peer = this.peers.get(text(data, "peerId"));
    if (peer) {
      apply(peer);
      this.emit("producersChanged", peer);
    }
    return true;
  }

  #put(info: Parameters<Peer["update"]>[0]): void {
    const known = this.peers.get(info.peerId);
    if (known) {
      known.update(info);
      this.emit("peerChanged", known);
      return;
    }
    const peer = new Peer(info, this.#tracks);
    this.peers.set(peer.id, peer);
    this.emit("peerJoined", peer);
  }

  #leaves(peerId: string): void {
    const peer = this.peers.get(peerId);
    if (peer) this.#left(peer);
  }

  #left(peer: Peer): void {
    this.peers.delete(peer.id);
    this.emit("peerLeft", peer);
  }

  #peerChanged(data: Json): void {
    const change: Partial<Pick<Self, "displayName" | "role" | "handRaised">> = {};
    const role = readRole(data.role);
    if (typeof data.displayName === "string") change.displayName = data.displayName;
    if (role) change.role = role;
    if (typeof data.handRaised === "boolean") change.handRaised = data.handRaised;
    const id = text(data, "peerId");
    if (id === this.self.id) {
      this.#changeSelf(change);
      return;
    }
    const peer = this.peers.get(id);
    if (!peer) return;
    Object.assign(peer, change);
    this.emit("peerChanged", peer);
  }

  #changeSelf(change: Partial<Self>): void {
    this.self = { ...this.self, ...change };
    if (!this.isHost) this.#forgetKnocks();
    this.emit("selfChanged", this.self);
  }

  #knock(data: Json): void {
    const peerId = text(data, "peerId");
    const { displayName } = data;
    this.knocks.set(peerId, { peerId, displayName: typeof displayName === "string" ? displayName : "" });
    this.emit("knocksChanged", this.knocks);
  }

  #forgetKnocks(): void {
    if (this.knocks.size === 0) return;
    this.knocks.clear();
    this.emit("knocksChanged", this.knocks);
  }
}

function pause(producer: ProducerInfo | undefined, paused: boolean): void {
  if (producer) producer.paused = paused;
}
