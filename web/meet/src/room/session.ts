// One membership of the room, from joining to the loss of the connection or to the room's moving away: after that comes
// the next one.

import { Device, type types } from "mediasoup-client";
import { cameraEncodings, type Layering, screenEncodings, videoCodec } from "../media/encodings";
import type { Layers } from "../media/layers";
import type { Source } from "../media/problems";
import { StatsReader, type TrackStats } from "../media/stats";
import { type ProtooClient, RequestError } from "../protoo/client";
import type { Json } from "../protoo/messages";
import {
  joined,
  mediaAdded,
  mediaChanged,
  mediaRemoved,
  onlyKept,
  peerJoined,
  peerLeft,
  peerRenamed,
  type RemoteMedia,
  rejoined,
  remoteMedia,
} from "../store/state";
import type { Store } from "../store/store";
import { browser } from "../util/browser";
import type { Codec } from "../util/params";
import type { Channel, Chat } from "./chat";
import { Handover } from "./handover";
import { ProducerSlot } from "./slot";
import { type View, Watching } from "./watching";
import {
  readDemand,
  readDominant,
  readLayers,
  readNewConsumer,
  readNewDataConsumer,
  readPeer,
  readPeers,
  readScore,
  readVolumes,
  text,
} from "./wire";

export interface SendOptions extends Layering {
  codec: Codec | undefined;
  forceTcp: boolean;
}

// Producers of the past are forgotten; there are never more than four at a time.
const MAX_DEMANDS = 16;

export type SlotName = Source | "screen-audio";

// As many channels as any browser has. Newer versions of the library do not tell what older servers want to hear.
const SCTP_CAPABILITIES = { numStreams: { OS: 1024, MIS: 1024 } };

// A message that is no part of the chat.
export interface DataMessage {
  peerId: string | null;
  label: string;
  message: unknown;
}

// What the server calls what is sent.
export type ProducerIds = ReadonlyMap<SlotName, string>;

export interface SessionEvents {
  media(direction: "send" | "recv", state: types.ConnectionState): void;
  sendingFailed(slot: SlotName, error: unknown): void;
  // Who can be heard, in dBov.
  volumes(volumes: Map<string, number>): void;
  // Who has the floor.
  dominant(peerId: string | undefined): void;
  data(message: DataMessage): void;
  // After a move: nothing on the page depends on earlier sessions any more.
  settled(): void;
}

export class Session {
  readonly #protoo: ProtooClient;
  readonly #store: Store;
  readonly #options: SendOptions;
  readonly #events: SessionEvents;
  readonly #chat: Chat;
  readonly #consumers = new Map<string, types.Consumer>();
  readonly #dataConsumers = new Map<string, types.DataConsumer>();
  // What notifications said about consumers that are still being set up.
  readonly #paused = new Map<string, boolean>();
  readonly #slots = new Map<SlotName, ProducerSlot>();
  readonly #readers = new Map<types.Transport, StatsReader>();
  readonly #demands = new Map<string, readonly boolean[]>();
  readonly #watching: Watching;
  // Of producers that an earlier session had, if the room has moved: they keep them.
  readonly #earlier: ProducerIds | undefined;
  readonly #handover: Handover | undefined;
  readonly #present = new Set<string>();
  #joined = false;
  #device: Device | undefined;
  #send: types.Transport | undefined;
  #recv: types.Transport | undefined;
  #closeChat = (): void => undefined;
  // The server offers data channels.
  #sctp = false;
  #closed = false;

  // With `earlier`, what is on the page stays until this session has something better.
  constructor(
    protoo: ProtooClient,
    store: Store,
    options: SendOptions,
    events: SessionEvents,
    chat: Chat,
    earlier?: ProducerIds,
  ) {
    this.#protoo = protoo;
    this.#store = store;
    this.#options = options;
    this.#events = events;
    this.#chat = chat;
    this.#earlier = earlier;
    this.#handover =
      earlier &&
      new Handover({
        store,
        report: async () => (this.#recv && !this.#recv.closed ? this.#recv.getStats() : []),
        complete: () => this.#settled(),
      });
    this.#watching = new Watching({
      request: (method, data) => protoo.request(method, data),
      asked: (id, { preferred, paused }) => this.#changed(id, { preferred, unwatched: paused }),
      pixelRatio: () => window.devicePixelRatio,
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  // Whether it has anything that is worth keeping during a move.
  get joined(): boolean {
    return this.#joined;
  }

  get producerIds(): ProducerIds {
    const ids = new Map(this.#earlier);
    for (const [name, { id }] of this.#slots) if (id) ids.set(name, id);
    return ids;
  }

  async start(): Promise<void> {
    const routerRtpCapabilities = (await this.#protoo.request(
      "getRouterRtpCapabilities",
    )) as types.RtpCapabilities;
    const device = await Device.factory();
    await device.load({ routerRtpCapabilities });
    this.#device = device;
    const [send, recv] = await Promise.all([this.#transport("send"), this.#transport("recv")]);
    const answer = await this.#protoo.request("join", {
      displayName: this.#store.getState().me.name,
      device: browser(navigator.userAgent),
      rtpCapabilities: device.recvRtpCapabilities,
      sctpCapabilities: SCTP_CAPABILITIES,
      // Other servers and clients of this protocol do not know this word and pass over it.
      plenum: { demand: true, migrate: true, volumes: true },
    });
    if (this.#closed) return;
    this.#joined = true;
    const peers = readPeers(answer);
    for (const { id } of peers) this.#present.add(id);
    this.#store.setState(this.#earlier ? rejoined(peers) : joined(peers));
    this.#handover?.begin();
    this.#openSlots(device, send);
    await recv;
    for (const name of this.#slots.keys()) this.sync(name);
    if (!this.#earlier) this.#openChat(send);
  }

  // Brings what is sent in line with what is switched on.
  sync(name: SlotName): void {
    const { mic, camera, screen } = this.#store.getState();
    const wanted = {
      mic: { track: mic.track, paused: !mic.on },
      camera: { track: camera.track, paused: false },
      screen: { track: screen.track, paused: false },
      "screen-audio": { track: screen.audio, paused: false },
    }[name];
    this.#slots.get(name)?.set(wanted);
  }

  // Where the tiles are, and whether the page can be seen at all.
  watch(view: View): void {
    this.#watching.view(view);
  }

  seen(seen: boolean): void {
    this.#watching.seen(seen);
  }

  async request(method: string, data: Json): Promise<Json | undefined> {
    if (method === "newConsumer") await this.#consume(data);
    else if (method === "newDataConsumer") await this.#consumeData(data);
    else throw new RequestError(403, `${method} is not supported here`);
    return undefined;
  }

  notification(method: string, data: Json): void {
    const { setState } = this.#store;
    switch (method) {
      case "newPeer":
        this.#present.add(text(data, "id"));
        setState(peerJoined(readPeer(data)));
        break;
      case "peerClosed":
        this.#present.delete(text(data, "peerId"));
        setState(peerLeft(text(data, "peerId")));
        break;
      case "peerDisplayNameChanged":
        setState(peerRenamed(text(data, "peerId"), readPeer({ ...data, id: "" }).name));
        break;
      case "consumerClosed":
        this.#consumerClosed(text(data, "consumerId"));
        break;
      case "consumerPaused":
      case "consumerResumed":
        this.#consumerPaused(text(data, "consumerId"), method === "consumerPaused");
        break;
      case "consumerLayersChanged":
        this.#layersChanged(text(data, "consumerId"), readLayers(data));
        break;
      case "consumerScore":
        this.#changed(text(data, "consumerId"), { score: readScore(data) });
        break;
      case "dataConsumerClosed":
        this.#dataConsumerClosed(text(data, "dataConsumerId"));
        break;
      case "speakingPeers":
        this.#events.volumes(readVolumes(data));
        break;
      case "dominantSpeaker":
        this.#events.dominant(readDominant(data));
        break;
      case "producerDemand":
        this.#demanded(data);
        break;
      default:
      // The classic active speaker and others: nothing on the page depends on them.
    }
  }

  async restartIce(direction: "send" | "recv"): Promise<void> {
    const transport = direction === "send" ? this.#send : this.#recv;
    if (!transport || transport.closed) return;
    const iceParameters = await this.#protoo.request("restartIce", { transportId: transport.id });
    await transport.restartIce({ iceParameters: iceParameters as types.IceParameters });
  }

  // Figures of all tracks in both directions, by track id.
  async stats(): Promise<Map<string, TrackStats>> {
    const all = new Map<string, TrackStats>();
    for (const [transport, reader] of this.#readers) {
      if (transport.closed) continue;
      const report = await transport.getStats();
      for (const [track, stats] of reader.read(report as unknown as Iterable<[string, unknown]>)) {
        all.set(track, stats);
      }
    }
    for (const [id, { track }] of this.#consumers) this.#watching.picture(id, all.get(track.id)?.height ?? 0);
    return all;
  }

  // A data channel of one's own making, for the console.
  async produceData(options: types.DataProducerOptions): Promise<types.DataProducer> {
    if (!this.#send) throw new Error("not ready to send");
    return this.#send.produceData(options);
  }

  // The whole reports, for the console.
  async reports(): Promise<Record<"send" | "recv", unknown[]>> {
    const read = async (transport: types.Transport | undefined): Promise<unknown[]> =>
      transport && !transport.closed ? [...(await transport.getStats()).values()] : [];
    return { send: await read(this.#send), recv: await read(this.#recv) };
  }

  // The room has moved: nothing is asked or told any more. What arrives is shown until there is something newer; what
  // is sent goes on if somebody may still get it.
  retire(sending: boolean): void {
    this.#closed = true;
    this.#handover?.close();
    this.#watching.close();
    for (const slot of this.#slots.values()) slot.close();
    this.#slots.clear();
    this.#closeChat();
    if (!sending) this.#send?.close();
  }

  close(): void {
    this.retire(false);
    this.#recv?.close();
    this.#consumers.clear();
    this.#dataConsumers.clear();
    this.#readers.clear();
  }

  async #transport(direction: "send" | "recv"): Promise<types.Transport> {
    const device = this.#device;
    if (!device) throw new Error("no device");
    const options = (await this.#protoo.request("createWebRtcTransport", {
      forceTcp: this.#options.forceTcp,
      producing: direction === "send",
      consuming: direction === "recv",
      sctpCapabilities: SCTP_CAPABILITIES,
    })) as types.TransportOptions;
    if (this.#closed) throw new RequestError(0, "the connection was closed");
    const transport =
      direction === "send" ? device.createSendTransport(options) : device.createRecvTransport(options);
    if (direction === "send") this.#sctp = options.sctpParameters !== undefined;
    if (direction === "send") this.#send = transport;
    else this.#recv = transport;
    this.#readers.set(transport, new StatsReader());
    transport.on("connect", ({ dtlsParameters }, done, failed) => {
      this.#protoo
        .request("connectWebRtcTransport", { transportId: transport.id, dtlsParameters })
        .then(done, failed);
    });
    transport.on("produce", ({ kind, rtpParameters, appData }, done, failed) => {
      this.#protoo
        .request("produce", {
          transportId: transport.id,
          kind,
          rtpParameters,
          appData,
          ...this.#wish(kind, appData),
        })
        .then((answer) => done({ id: text(answer as Json, "id") }))
        .catch(failed);
    });
    transport.on("producedata", ({ sctpStreamParameters, label, protocol, appData }, done, failed) => {
      const transportId = transport.id;
      this.#protoo
        .request("produceData", { transportId, sctpStreamParameters, label, protocol, appData })
        .then((answer) => done({ id: text(answer as Json, "id") }))
        .catch(failed);
    });
    transport.on("connectionstatechange", (state) => {
      if (!this.#closed) this.#events.media(direction, state);
    });
    return transport;
  }

  // After a move the chat opens when the others are there as well: what is written before would reach few.
  #openChat(send: types.Transport): void {
    if (this.#closed) return;
    if (!this.#sctp) {
      this.#chat.unusable();
      return;
    }
    const open = (channel: Channel): Promise<types.DataProducer> =>
      send.produceData({ label: channel, ordered: true, appData: { info: `my-${channel}` } });
    this.#closeChat = this.#chat.open(open);
  }

  #openSlots(device: Device, send: types.Transport): void {
    const codec = videoCodec(device.sendRtpCapabilities, this.#options.codec);
    const encodings = cameraEncodings(codec?.mimeType ?? "", this.#options);
    const audio = { opusDtx: true, opusFec: true, opusNack: true };
    const video = { videoGoogleStartBitrate: 1000 };
    const kinds: Record<SlotName, types.ProducerOptions> = {
      mic: { codecOptions: audio },
      camera: { codec, codecOptions: video, encodings },
      screen: { codec, codecOptions: video, encodings: screenEncodings(), appData: { share: true } },
      "screen-audio": {
        codecOptions: { ...audio, opusStereo: true, opusDtx: false },
        appData: { share: true },
      },
    };
    for (const name of Object.keys(kinds) as SlotName[]) {
      const missing = !codec && (name === "camera" || name === "screen");
      const error = new Error("The server does not offer the video codec that was asked for.");
      const produce = (track: MediaStreamTrack): Promise<types.Producer> =>
        missing ? Promise.reject(error) : send.produce({ track, stopTracks: false, ...kinds[name] });
      const failed = (reason: unknown): void => {
        if (!this.#closed) this.#events.sendingFailed(name, reason);
      };
      this.#slots.set(name, new ProducerSlot(produce, this.#protoo, failed, this.#demands));
    }
  }

  async #consume(data: Json): Promise<void> {
    const { peerId, id, producerId, kind, rtpParameters, producerPaused, source, count } =
      readNewConsumer(data);
    const recv = this.#recv;
    if (!recv) throw new RequestError(403, "not ready to receive");
    this.#paused.set(id, producerPaused);
    const consumer = await recv.consume({
      id,
      producerId,
      kind,
      rtpParameters,
      // One stream per person and source: only what belongs together is played in step.
      streamId: `${peerId}-${source.startsWith("screen") ? "screen" : "camera"}`,
    });
    const paused = this.#paused.get(id);
    if (this.#closed || paused === undefined) {
      consumer.close();
      return;
    }
    this.#consumers.set(id, consumer);
    const media = remoteMedia({ id, peerId, source, track: consumer.track, paused, count });
    if (!this.#handover?.take(media)) this.#store.setState(mediaAdded(media));
    // Sound is never asked to be less, nor to stop.
    if (kind === "video") this.#watching.add(id, `${peerId}/${source}`, count);
  }

  async #consumeData(data: Json): Promise<void> {
    const { peerId, ...options } = readNewDataConsumer(data);
    const { id, label } = options;
    const recv = this.#recv;
    if (!recv) throw new RequestError(403, "not ready to receive");
    const consumer = await recv.consumeData(options);
    if (this.#closed) {
      consumer.close();
      return;
    }
    this.#dataConsumers.set(id, consumer);
    consumer.on("message", (message: unknown) => {
      if (this.#closed) return;
      if (label === "chat" || peerId === null) this.#chat.heard(peerId, message);
      else this.#events.data({ peerId, label, message });
    });
  }

  #dataConsumerClosed(id: string): void {
    this.#dataConsumers.get(id)?.close();
    this.#dataConsumers.delete(id);
  }

  // The classic words for what is sent tell its slots apart.
  #wish(kind: "audio" | "video", appData: Json): { plenum?: { producerId: string } } {
    const share = appData.share === true;
    const slot = kind === "audio" ? (share ? "screen-audio" : "mic") : share ? "screen" : "camera";
    const producerId = this.#earlier?.get(slot);
    return producerId ? { plenum: { producerId } } : {};
  }

  #changed(id: string, change: Partial<Omit<RemoteMedia, "id">>): void {
    if (!this.#handover?.change(id, change)) this.#store.setState(mediaChanged(id, change));
  }

  #settled(): void {
    this.#store.setState(onlyKept(this.#present, new Set(this.#consumers.keys())));
    if (this.#send) this.#openChat(this.#send);
    this.#events.settled();
  }

  #layersChanged(id: string, layers: Layers | undefined): void {
    this.#watching.layer(id, layers?.spatial);
    this.#changed(id, { layers });
  }

  #demanded(data: Json): void {
    const { producerId, encodings } = readDemand(data);
    this.#demands.delete(producerId);
    this.#demands.set(producerId, encodings);
    const [oldest] = this.#demands.keys();
    if (this.#demands.size > MAX_DEMANDS && oldest !== undefined) this.#demands.delete(oldest);
    for (const slot of this.#slots.values()) slot.follow();
  }

  #consumerPaused(id: string, paused: boolean): void {
    if (this.#paused.has(id)) this.#paused.set(id, paused);
    this.#changed(id, { paused });
  }

  #consumerClosed(id: string): void {
    this.#paused.delete(id);
    this.#watching.remove(id);
    this.#consumers.get(id)?.close();
    this.#consumers.delete(id);
    this.#handover?.remove(id);
    this.#store.setState(mediaRemoved(id));
  }
}
