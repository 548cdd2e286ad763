// Generated from crates/base/api/src/plenum by `cargo xtask gen-ts`. Do not edit.
import type { types } from "mediasoup-client";

/**
 * An answer without content, and a request that needs none.
 */
export type Empty = Record<string, never>;

/**
 * What somebody is in a room.
 */
export type Role = "listener" | "speaker" | "host";

/**
 * What somebody may do. As JSON: `{"publish":["audio","video","screen","data"],"subscribe":true,"hidden":false,
 * "admin":false,"record":false}`; what is not named has its default.
 */
export type Grants = {
  /** What may be published. */
  publish: Array<"audio" | "video" | "screen" | "data">,
  /** Receives what others send and write. */
  subscribe: boolean,
  /** Is not seen by the others, and publishes nothing. */
  hidden: boolean,
  /** May do what hosts may do. */
  admin: boolean,
  /** May have the room recorded. */
  record: boolean,
};

/**
 * One entry of `iceServers`.
 */
export type IceServer = {
  /** `stun:`, `turn:` and `turns:` addresses of one server. */
  urls: Array<string>,
  /** For TURN: until when, and for whom. */
  username?: string,
  /** For TURN: what proves the name. */
  credential?: string,
};

/**
 * With what the reason of a close frame begins, before `: ` and words for people; so does the `errorReason` of a `join` that
 * is refused for good.
 */
export type CloseWord = "badRequest" | "badTransport" | "conflict" | "forbidden" | "internal" | "joinTimeout" | "kicked" | "left" | "locked" | "moved" | "noSession" | "notFound" | "notImplemented" | "refused" | "replaced" | "restart" | "resumed" | "roomClosed" | "roomFull" | "tooLarge" | "tooMany" | "tooSlow" | "transportLost" | "unauthorized" | "unavailable" | "workerLost";

/**
 * `welcome`: the first words on a new session, and what a client needs when its room has moved.
 */
export type Welcome = {
  /** Of the server; for people. */
  version: string,
  /** How to come back when the socket breaks. */
  session: SessionTicket,
  /** Who the client is here. */
  peerId: string,
  /** How the client is called here whatever it says; absent when its token leaves that to it. */
  displayName?: string,
  /** What the client is; absent while the room has not decided, until it joins. */
  role?: Role,
  /** What the client may do. */
  grants: Grants,
  /** What the router can do. */
  routerRtpCapabilities: types.RtpCapabilities,
  /** Already made; `join` connects them. */
  transports: Transports,
  /** For clients that cannot reach us directly. */
  iceServers: Array<IceServer>,
  /** The room as it is now. */
  room: Room,
  /** Other nodes, as `https://host`: where to go when this one does not answer any more. */
  nodes: Array<string>,
};

/**
 * How to come back when the socket breaks.
 */
export type SessionTicket = {
  /** For `?resume=`. Whoever has it is the client. */
  token: string,
  /** Seconds. */
  resumeWithin: number,
};

/**
 * The transports of a client.
 */
export type Transports = {
  /** To produce on; absent without a right to publish anything. */
  send?: Transport,
  /** Where consumers come; absent without the right to subscribe. */
  recv?: Transport,
};

/**
 * A transport that waits to be connected.
 */
export type Transport = {
  /** Which one. */
  transportId: string,
  /** Our ICE credentials. */
  iceParameters: types.IceParameters,
  /** Our candidates. */
  iceCandidates: Array<types.IceCandidate>,
  /** Our certificate. */
  dtlsParameters: types.DtlsParameters,
  /** Data channels; absent: there are none. */
  sctpParameters?: types.SctpParameters,
};

/**
 * The room as it is now.
 */
export type Room = {
  /** Its name. */
  name: string,
  /** The namespace that the name belongs to. */
  namespace: string,
  /** Nobody but hosts may join. */
  locked: boolean,
  /** Who joins waits for a host. */
  lobby: boolean,
  /** How many may be in it; absent: as many as the server takes. */
  maxPeers?: number,
  /** For applications. */
  metadata: unknown,
  /** Who has joined. */
  peers: Array<Peer>,
};

/**
 * A peer who has joined.
 */
export type Peer = {
  /** Who. */
  peerId: string,
  /** For people. */
  displayName: string,
  /** What it runs on, as it told us; `{flag, name, version}` usually. */
  device: Record<string, unknown>,
  /** What it is. */
  role: Role,
  /** It wants to speak. */
  handRaised: boolean,
  /** For applications. */
  appData: Record<string, unknown>,
  /** What it sends. */
  producers: Array<Producer>,
  /** What it writes. */
  dataProducers: Array<DataProducer>,
};

/**
 * Something that a peer sends.
 */
export type Producer = {
  /** Which one. */
  producerId: string,
  /** Audio or video. */
  kind: types.MediaKind,
  /** As in its `produce`. */
  appData: Record<string, unknown>,
  /** Nothing comes now. */
  paused: boolean,
};

/**
 * A data channel that a peer writes on.
 */
export type DataProducer = {
  /** Which one. */
  dataProducerId: string,
  /** As in its `produceData`. */
  label: string,
  /** As in its `produceData`. */
  protocol: string,
  /** As in its `produceData`. */
  appData: Record<string, unknown>,
};

/**
 * `join`: connects the transports and joins, in one.
 */
export type Join = {
  /** For people. A name from a token wins. */
  displayName?: string,
  /** `{flag, name, version}` usually, passed on as it is. */
  device?: Record<string, unknown>,
  /** For applications, passed on as it is. */
  appData?: Record<string, unknown>,
  /** Absent: the client does not receive audio and video. */
  rtpCapabilities?: types.RtpCapabilities,
  /** What the client says to each transport of the `welcome` that it uses. */
  transports?: Array<ConnectTransport>,
  /** What of the others it wants; everything when absent. */
  subscription?: Subscription,
};

/**
 * The client's side of a transport.
 */
export type ConnectTransport = {
  /** Which transport. */
  transportId: string,
  /** The client's certificate. */
  dtlsParameters: types.DtlsParameters,
};

/**
 * `createTransport`: when the `welcome` had none, and the client may have one now.
 */
export type CreateTransport = {
  /** What for. */
  direction: Direction,
};

/**
 * What a transport is for, from the client's point of view.
 */
export type Direction = "send" | "recv";

/**
 * What a client wants of the others without asking for each.
 */
export type Subscription = "all" | "audio" | "none" | "manual" | { "speakers": number };

/**
 * Answer to `join`.
 */
export type Joined = {
  /** Everybody who was there already. */
  peers: Array<Peer>,
  /** How the client is called here: by its token if that says so. */
  displayName: string,
  /** What the client is. */
  role: Role,
  /** What the client may do. */
  grants: Grants,
};

/**
 * The other answer to `join`: somebody must let the client in. `admitted` follows, or the end.
 */
export type Waiting = {
  /** Always true. */
  waiting: true,
};

/**
 * `produce`
 */
export type Produce = {
  /** On which transport. */
  transportId: string,
  /** Audio or video. */
  kind: types.MediaKind,
  /** What will be sent. */
  rtpParameters: types.RtpParameters,
  /** Passed on to the consumers. `source: "screensharing"` or `share: true` is a screen. */
  appData?: Record<string, unknown>,
  /** Starts paused. */
  paused?: boolean,
  /** After `migrate`: the identifier that it had before. */
  producerId?: string,
};

/**
 * Answer to `produce`.
 */
export type Produced = {
  /** The new producer. */
  producerId: string,
};

/**
 * `produceData`
 */
export type ProduceData = {
  /** On which transport. */
  transportId: string,
  /** How messages will be sent. */
  sctpStreamParameters: types.SctpStreamParameters,
  /** `chat`, `bot`, or whatever else the application wants. */
  label?: string,
  /** For applications. */
  protocol?: string,
  /** Passed on to the data consumers. */
  appData?: Record<string, unknown>,
};

/**
 * Answer to `produceData`.
 */
export type DataProduced = {
  /** The new data producer. */
  dataProducerId: string,
};

/**
 * `closeProducer`, `pauseProducer`, `resumeProducer` of the client's own, `closeProducerOf` of anybody's.
 */
export type ProducerReference = {
  /** Which producer. */
  producerId: string,
};

/**
 * `consume`: things that the subscription does not bring.
 */
export type Consume = {
  /** Audio and video. */
  producerIds?: Array<string>,
  /** Data channels. */
  dataProducerIds?: Array<string>,
  /** Nothing shall come before `resumeConsumers`. */
  paused?: boolean,
  /** Highest layers wanted. */
  layers?: Layers,
};

/**
 * Highest layers wanted; what is beyond the highest there is counts as that.
 */
export type Layers = {
  /** Lowest is 0. */
  spatialLayer: number,
  /** Lowest is 0; the highest there is when absent. */
  temporalLayer?: number,
};

/**
 * Answer to `consume`.
 */
export type Consumed = {
  /** Audio and video. They run, unless they were wanted paused. */
  consumers: Array<NewConsumer>,
  /** Data channels. */
  dataConsumers: Array<NewDataConsumer>,
  /** What could not be had. */
  refused: Array<RefusedProducer>,
};

/**
 * What could not be had, in the answer to `consume`.
 */
export type RefusedProducer = {
  /** As in the request; a data producer's identifier also stands here. */
  producerId: string,
  /** As in HTTP. */
  code: number,
  /** For people. */
  reason: string,
};

/**
 * Request `newConsumers` of the server: everything that one event brought.
 */
export type NewConsumers = {
  /** Audio and video. */
  consumers: Array<NewConsumer>,
  /** Data channels. */
  dataConsumers: Array<NewDataConsumer>,
};

/**
 * A client's answer to `newConsumers`.
 */
export type NewConsumersAnswer = {
  /** Consumers that the client could not make. They are closed. */
  refused?: Array<string>,
};

/**
 * A consumer for the client to make its half of.
 */
export type NewConsumer = {
  /** Who sends. */
  peerId: string,
  /** On which transport it arrives. */
  transportId: string,
  /** The new consumer. */
  consumerId: string,
  /** What is sent. */
  producerId: string,
  /** Audio or video. */
  kind: types.MediaKind,
  /** How it is sent. */
  rtpParameters: types.RtpParameters,
  /** How many streams and layers stand behind it. */
  type: "simple" | "simulcast" | "svc",
  /** The producer is paused. */
  producerPaused: boolean,
  /** Quality now. */
  consumerScore: ConsumerScore,
  /** The producer's, with `peerId` added. */
  appData: Record<string, unknown>,
};

/**
 * A data consumer for the client to make its half of.
 */
export type NewDataConsumer = {
  /** Who writes; absent: the room's bot. */
  peerId?: string,
  /** On which transport it arrives. */
  transportId: string,
  /** The new data consumer. */
  dataConsumerId: string,
  /** What is written. */
  dataProducerId: string,
  /** How it is sent. */
  sctpStreamParameters: types.SctpStreamParameters,
  /** The data producer's. */
  label: string,
  /** The data producer's. */
  protocol: string,
  /** The data producer's, with `peerId` added. */
  appData: Record<string, unknown>,
};

/**
 * `closeConsumers`, `pauseConsumers`, `resumeConsumers`. Identifiers of what has gone are passed over.
 */
export type ConsumerReferences = {
  /** Which consumers. */
  consumerIds: Array<string>,
};

/**
 * `requestKeyFrame`
 */
export type ConsumerReference = {
  /** Which consumer. */
  consumerId: string,
};

/**
 * `setConsumerLayers`
 */
export type SetConsumerLayers = {
  /** Which consumer. */
  consumerId: string,
  /** Lowest is 0. */
  spatialLayer: number,
  /** Lowest is 0; the highest there is when absent. */
  temporalLayer?: number,
};

/**
 * `setConsumerPriority`
 */
export type SetConsumerPriority = {
  /** Which consumer. */
  consumerId: string,
  /** 1 to 255. */
  priority: number,
};

/**
 * `subscribe`
 */
export type Subscribe = {
  /** Takes the place of the one before. */
  subscription: Subscription,
};

/**
 * `restartIce`
 */
export type TransportReference = {
  /** Which transport. */
  transportId: string,
};

/**
 * Answer to `restartIce`.
 */
export type IceRestarted = {
  /** New credentials. */
  iceParameters: types.IceParameters,
};

/**
 * `setDisplayName`
 */
export type SetDisplayName = {
  /** The new name. */
  displayName: string,
};

/**
 * `getStats`: of one object, named by one member.
 */
export type GetStats = {
  /** A transport. */
  transportId?: string,
  /** One of the client's producers. */
  producerId?: string,
  /** A consumer. */
  consumerId?: string,
  /** One of the client's data producers. */
  dataProducerId?: string,
  /** A data consumer. */
  dataConsumerId?: string,
};

/**
 * `raiseHand`
 */
export type RaiseHand = {
  /** False: lower it again. */
  raised: boolean,
};

/**
 * `lowerHand`, `kick`, `admit`, `refuse`
 */
export type PeerReference = {
  /** Who. */
  peerId: string,
};

/**
 * `setRole`
 */
export type SetRole = {
  /** Who. */
  peerId: string,
  /** What from now on. */
  role: Role,
};

/**
 * `setGrants`
 */
export type SetGrants = {
  /** Who. */
  peerId: string,
  /** All of it; what is not named has its default. */
  grants: Grants,
};

/**
 * `mute`: pauses what others produce, in the room's name.
 */
export type Mute = {
  /** Whom; absent: all but hosts. */
  peerId?: string,
  /** Only this; absent: both. */
  kind?: types.MediaKind,
};

/**
 * `setRoom`: what is absent stays.
 */
export type SetRoom = {
  /** Nobody but hosts may join. */
  locked?: boolean,
  /** Who joins waits for a host. */
  lobby?: boolean,
  /** How many may be in it; `null`: as many as the server takes. */
  maxPeers?: number | null,
  /** For applications. */
  metadata?: unknown,
};

/**
 * `peerJoined`
 */
export type PeerJoined = {
  /** Who. */
  peer: Peer,
};

/**
 * `peerLeft`, `knockGone`
 */
export type PeerNotice = {
  /** Who. */
  peerId: string,
};

/**
 * `peerChanged`: what is absent is as before. It may be the client itself.
 */
export type PeerChanged = {
  /** Who. */
  peerId: string,
  /** For people. */
  displayName?: string,
  /** What it is. */
  role?: Role,
  /** It wants to speak, or not any more. */
  handRaised?: boolean,
};

/**
 * `producerAdded`
 */
export type ProducerAdded = {
  /** Who sends. */
  peerId: string,
  /** What. */
  producer: Producer,
};

/**
 * `producerRemoved`, `producerPaused`, `producerResumed`: of somebody else.
 */
export type ProducerOf = {
  /** Who sends. */
  peerId: string,
  /** What. */
  producerId: string,
};

/**
 * `dataProducerAdded`
 */
export type DataProducerAdded = {
  /** Who writes. */
  peerId: string,
  /** What. */
  dataProducer: DataProducer,
};

/**
 * `dataProducerRemoved`
 */
export type DataProducerRemoved = {
  /** Who wrote. */
  peerId: string,
  /** What. */
  dataProducerId: string,
};

/**
 * `consumersClosed`: what they consumed is gone, or they are not wanted any more.
 */
export type ConsumersClosed = {
  /** Which consumers. */
  consumerIds: Array<string>,
};

/**
 * `consumerPaused`, `consumerResumed`: its producer was.
 */
export type ConsumerNotice = {
  /** Which consumer. */
  consumerId: string,
};

/**
 * Quality of a consumer.
 */
export type ConsumerScore = {
  /** Its own, 0 to 10. */
  score: number,
  /** Of the stream it forwards. */
  producerScore: number,
  /** Of all the producer's streams. */
  producerScores: Array<number>,
};

/**
 * `consumerScore`
 */
export type ConsumerScoreNotice = {
  /** Which consumer. */
  consumerId: string,
  /** Quality now. */
  score: ConsumerScore,
};

/**
 * Layers that a consumer forwards.
 */
export type CurrentLayers = {
  /** Lowest is 0. */
  spatialLayer: number,
  /** Lowest is 0; absent: there are none. */
  temporalLayer?: number,
};

/**
 * `consumerLayersChanged`
 */
export type ConsumerLayersChanged = {
  /** Which consumer. */
  consumerId: string,
  /** What it forwards now; absent: nothing. */
  layers?: CurrentLayers,
};

/**
 * `dataConsumerClosed`
 */
export type DataConsumerNotice = {
  /** Which data consumer. */
  dataConsumerId: string,
};

/**
 * `producerMuted`, `producerClosed`: a host has paused or closed the client's own producer, or it may not send it any more.
 */
export type ProducerNotice = {
  /** Which producer. */
  producerId: string,
};

/**
 * `dataProducerClosed`: of the client's own.
 */
export type DataProducerNotice = {
  /** Which data producer. */
  dataProducerId: string,
};

/**
 * Quality of one encoding.
 */
export type EncodingScore = {
  /** Index of the encoding. */
  encodingIdx: number,
  /** Its SSRC. */
  ssrc: number,
  /** Its RTP stream id. */
  rid?: string,
  /** 0 to 10. */
  score: number,
};

/**
 * `producerScore`: of the client's own producer.
 */
export type ProducerScoreNotice = {
  /** Which producer. */
  producerId: string,
  /** One per encoding seen. */
  score: Array<EncodingScore>,
};

/**
 * `producerDemand`: which encodings of the client's own producer anybody gets.
 */
export type ProducerDemand = {
  /** Which producer. */
  producerId: string,
  /** One per encoding: whether sending it is of any use. */
  encodings: Array<boolean>,
};

/**
 * How loud somebody is.
 */
export type PeerVolume = {
  /** Who. */
  peerId: string,
  /** In dBov, −127 to 0. */
  volume: number,
};

/**
 * `speakingPeers`
 */
export type SpeakingPeers = {
  /** The loudest first; empty: nobody can be heard. */
  peerVolumes: Array<PeerVolume>,
};

/**
 * `activeSpeaker`
 */
export type ActiveSpeaker = {
  /** Who has the floor; absent: nobody any more. */
  peerId?: string,
};

/**
 * `roomChanged`: all of it, changed or not.
 */
export type RoomChanged = {
  /** Nobody but hosts may join. */
  locked: boolean,
  /** Who joins waits for a host. */
  lobby: boolean,
  /** How many may be in it; absent: as many as the server takes. */
  maxPeers?: number,
  /** For applications. */
  metadata: unknown,
};

/**
 * `grantsChanged`: what the client itself may do from now on.
 */
export type GrantsChanged = {
  /** All of it. */
  grants: Grants,
};

/**
 * `knock`: somebody waits in the lobby. To hosts.
 */
export type Knocked = {
  /** Who. */
  peerId: string,
  /** For people. */
  displayName: string,
};

/**
 * `admitted`: the `join` that was answered with `waiting` has succeeded.
 */
export type Admitted = {
  /** Everybody who was there already. */
  peers: Array<Peer>,
  /** How the client is called here: by its token if that says so. */
  displayName: string,
  /** What the client is. */
  role: Role,
  /** What the client may do. */
  grants: Grants,
};

/**
 * `migrate`: the room goes on at another media worker. Join there with the new `welcome`.
 */
export type Migrate = {
  /** For logs: `workerLost` or `maintenance`. */
  reason: string,
  /** What the client has goes on until it asks `migrated`. */
  makeBeforeBreak: boolean,
  /** As at the beginning. */
  welcome: Welcome,
};

/**
 * `draining`: the node lets nobody in any more and will end.
 */
export type Draining = {
  /** At the latest after so many seconds. */
  seconds: number,
};

/**
 * `redirect`: instead of `welcome`, to a client that follows: it is to be served by another node. Without `seq`: it begins
 * no session.
 */
export type Redirect = {
  /** That node, as `https://host` or `wss://host`. */
  url: string,
  /** For logs. */
  reason: string,
};

/**
 * `comeBack`: instead of `welcome`, before the socket is closed: too many come at once. Without `seq`: it begins no session.
 */
export type ComeBack = {
  /** In so many milliseconds the client is let in, whoever else comes. */
  afterMs: number,
};

/**
 * `resumed`: the first words on a socket that goes on with a session. Without `seq`: it belongs to the socket.
 */
export type Resumed = {
  /** The highest identifier of a request that has arrived; 0: none. Greater ones are to be sent again. */
  lastRequestId: number,
  /** Questions of the server whose answers have not arrived. Answers that were given are to be sent again. */
  unanswered: Array<number>,
};

/**
 * Answer to `getStats`: as in mediasoup, with members of our own.
 */
export type Stats = { stats: Array<Record<string, unknown>> };

/** What a client asks for, and the answers. */
export type ClientRequests = {
  admit: { data: PeerReference; answer: Empty };
  closeConsumers: { data: ConsumerReferences; answer: Empty };
  closeProducer: { data: ProducerReference; answer: Empty };
  closeProducerOf: { data: ProducerReference; answer: Empty };
  closeRoom: { data: Empty; answer: Empty };
  connectTransport: { data: ConnectTransport; answer: Empty };
  consume: { data: Consume; answer: Consumed };
  createTransport: { data: CreateTransport; answer: Transport };
  getStats: { data: GetStats; answer: Stats };
  join: { data: Join; answer: Joined | Waiting };
  kick: { data: PeerReference; answer: Empty };
  leave: { data: Empty; answer: Empty };
  lowerHand: { data: PeerReference; answer: Empty };
  migrated: { data: Empty; answer: Empty };
  mute: { data: Mute; answer: Empty };
  pauseConsumers: { data: ConsumerReferences; answer: Empty };
  pauseProducer: { data: ProducerReference; answer: Empty };
  ping: { data: Empty; answer: Empty };
  produce: { data: Produce; answer: Produced };
  produceData: { data: ProduceData; answer: DataProduced };
  raiseHand: { data: RaiseHand; answer: Empty };
  refuse: { data: PeerReference; answer: Empty };
  requestKeyFrame: { data: ConsumerReference; answer: Empty };
  restartIce: { data: TransportReference; answer: IceRestarted };
  resumeConsumers: { data: ConsumerReferences; answer: Empty };
  resumeProducer: { data: ProducerReference; answer: Empty };
  setConsumerLayers: { data: SetConsumerLayers; answer: Empty };
  setConsumerPriority: { data: SetConsumerPriority; answer: Empty };
  setDisplayName: { data: SetDisplayName; answer: Empty };
  setGrants: { data: SetGrants; answer: Empty };
  setRole: { data: SetRole; answer: Empty };
  setRoom: { data: SetRoom; answer: Empty };
  subscribe: { data: Subscribe; answer: Empty };
};

/** What a client is told. */
export type ServerNotifications = {
  activeSpeaker: ActiveSpeaker;
  admitted: Admitted;
  comeBack: ComeBack;
  consumerLayersChanged: ConsumerLayersChanged;
  consumerPaused: ConsumerNotice;
  consumerResumed: ConsumerNotice;
  consumerScore: ConsumerScoreNotice;
  consumersClosed: ConsumersClosed;
  dataConsumerClosed: DataConsumerNotice;
  dataProducerAdded: DataProducerAdded;
  dataProducerClosed: DataProducerNotice;
  dataProducerRemoved: DataProducerRemoved;
  draining: Draining;
  grantsChanged: GrantsChanged;
  knock: Knocked;
  knockGone: PeerNotice;
  migrate: Migrate;
  peerChanged: PeerChanged;
  peerJoined: PeerJoined;
  peerLeft: PeerNotice;
  producerAdded: ProducerAdded;
  producerClosed: ProducerNotice;
  producerDemand: ProducerDemand;
  producerMuted: ProducerNotice;
  producerPaused: ProducerOf;
  producerRemoved: ProducerOf;
  producerResumed: ProducerOf;
  producerScore: ProducerScoreNotice;
  redirect: Redirect;
  resumed: Resumed;
  roomChanged: RoomChanged;
  speakingPeers: SpeakingPeers;
  welcome: Welcome;
};

/** What the server asks of a client. */
export type ServerRequests = {
  newConsumers: { data: NewConsumers; answer: NewConsumersAnswer };
};
