// One membership of the room, from its welcome to the end of the session or to the room's moving away: after that comes
// the next one.

import { Device, type types } from "mediasoup-client";
import { RequestError } from "./errors.js";
import { type LocalOptions, type LocalTrack, sentAlike } from "./local.js";
import type { Identity } from "./media/certificate.js";
import { coding, type VideoCodec, videoCodec } from "./media/encodings.js";
import { appDataOf, type Source } from "./media/source.js";
import { StatsReader, type TrackStats } from "./media/stats.js";
import { Receiving, type ReceivingHost } from "./receiving.js";
import type { RemoteTrack } from "./remote.js";
import { ProducerSlot } from "./slot.js";
import type { View } from "./watching.js";
import type { Json } from "./wire/frames.js";
import {
  type DeviceInfo,
  list,
  readDemand,
  readTransport,
  type Subscription,
  type TransportInfo,
  text,
  type Welcome,
} from "./wire/messages.js";

export type Direction = "send" | "recv";

export interface SessionOptions {
  displayName: string;
  device: DeviceInfo;
  appData: Json;
  subscription: Subscription;
  // The video codec to send; the server's first one if undefined.
  codec: VideoCodec | undefined;
  // Media over TCP alone, as behind a firewall that lets no UDP through.
  forceTcp: boolean;
  // Settings of both peer connections.
  peerConnection: Partial<RTCConfiguration>;
  // End-to-end encryption and the like: every sender and receiver, before any media passes it.
  onSender: ((sender: RTCRtpSender, local: LocalTrack) => void) | undefined;
  onReceiver: ((receiver: RTCRtpReceiver, peerId: string) => void) | undefined;
}

// What the server calls what is sent.
export type ProducerIds = ReadonlyMap<Source, string>;

// One place to send from, and whose track it sends.
interface Place {
  slot: ProducerSlot;
  local: LocalTrack;
  // With which it is sent.
  options: LocalOptions;
}

export interface SessionHost extends ReceivingHost {
  readonly options: SessionOptions;
  readonly identity: Promise<Identity>;
  locals(): Iterable<LocalTrack>;
  allowed(local: LocalTrack): boolean;
  // On data channels.
  mayWrite(): boolean;
  joined(answer: Json): void;
  waiting(): void;
  // After a move: nothing that is shown depends on earlier sessions any more.
  settled(kept: ReadonlySet<string>): void;
  media(direction: Direction, state: types.ConnectionState): void;
  sendingFailed(local: LocalTrack, error: unknown): void;
  mutedByHost(local: LocalTrack): void;
  closedByHost(local: LocalTrack): void;
  // Data channels can be made from now on, or (undefined) not any more; "never": this session has none.
  dataReady(produce: ProduceData | undefined | "never"): void;
}

export type ProduceData = (options: types.DataProducerOptions) => Promise<types.DataProducer>;

// Producers of the past are forgotten; there are rarely more than four at a time.
const MAX_DEMANDS = 16;

type Verdict = "muted" | "closed";

// Sets the newest of at most that many.
function remember<T>(all: Map<string, T>, producerId: string, what: T): void {
  all.delete(producerId);
  all.set(producerId, what);
  const [oldest] = all.keys();
  if (all.size > MAX_DEMANDS && oldest !== undefined) all.delete(oldest);
}

export class Session {
  readonly #host: SessionHost;
  readonly #welcome: Welcome;
  readonly #places = new Map<Source, Place>();
  readonly #readers = new Map<types.Transport, StatsReader>();
  readonly #demands = new Map<string, readonly boolean[]>();
  // What hosts have done to producers before the answer that makes them known.
  readonly #verdicts = new Map<string, Verdict>();
  readonly #receiving: Receiving;
  // Of producers that an earlier session had, if the room has moved: they keep them.
  readonly #earlier: ProducerIds | undefined;
  #codec: types.RtpCodecCapability | undefined;
  #send: types.Transport | undefined;
  #recv: types.Transport | undefined;
  #makeSend: ((info: TransportInfo) => types.Transport) | undefined;
  #opening: Promise<void> | undefined;
  // Whether data channels are open; undefined before it is time for them.
  #writes: boolean | undefined;
  #joined = false;
  #closed = false;

  // With `earlier`, what is shown stays until this session has something better.
  constructor(host: SessionHost, welcome: Welcome, earlier?: ProducerIds) {
    this.#host = host;
    this.#welcome = welcome;
    this.#earlier = earlier;
    this.#receiving = new Receiving(host, earlier !== undefined, () => this.#settled());
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
    for (const [source, { slot }] of this.#places) if (slot.id) ids.set(source, slot.id);
    return ids;
  }

  async start(): Promise<void> {
    const { options } = this.#host;
    const [device, identity] = await Promise.all([this.#device(), this.#host.identity]);
    if (this.#closed) return;
    this.#openTransports(device, identity);
    const { recv, send } = this.#welcome;
    const { fingerprints } = identity;
    const answer = this.#host.request("join", {
      displayName: options.displayName,
      device: { ...options.device },
      appData: options.appData,
      rtpCapabilities: device.recvRtpCapabilities,
      // Browsers begin the handshake: the server does not have to know where they are.
      transports: [send, recv].flatMap((one) =>
        one ? [{ transportId: one.id, dtlsParameters: { role: "client", fingerprints } }] : [],
      ),
      subscription: options.subscription,
    });
    // What is sent follows right behind, unless somebody has to open the door first.
    const waits = this.#welcome.room.lobby && this.#welcome.role !== "host";
    if (!waits) this.#openSlots();
    const data = await answer;
    if (this.#closed) return;
    if (data.waiting === true) this.#host.waiting();
    else this.admitted(data);
  }

  // The room has taken this client in.
  admitted(data: Json): void {
    if (this.#joined || this.#closed) return;
    this.#joined = true;
    this.#host.joined(data);
    this.#receiving.begin();
    this.#openSlots();
    // After a move the channels open when the others are there as well: what is said before would reach few.
    if (!this.#earlier) this.#openData();
  }

  // What this client may do is something else now.
  rightsChanged(): void {
    if (this.#writes !== undefined && !this.#closed && this.#writes !== this.#host.mayWrite())
      this.#openData();
  }

  // Brings what is sent in line with what is wanted.
  sync(local: LocalTrack): void {
    const { source, track, wanted } = local;
    if (track && this.#joined && !this.#send) {
      this.#openSend();
      return;
    }
    const place = this.#places.get(source);
    if (place) {
      // What has ended does not stop what has taken its place.
      if (!track && place.local !== local) return;
      const alike = sentAlike(place.options, local.options);
      place.local = local;
      place.options = local.options;
      place.slot.set(wanted);
      if (!alike) place.slot.renew();
    } else if (track && this.#send && !this.#closed) {
      const slot = this.#slot(local);
      this.#places.set(source, { slot, local, options: local.options });
      slot.set(wanted);
    }
  }

  watch(view: View, others: "all" | "nothing"): void {
    this.#receiving.watch(view, others);
  }

  seen(seen: boolean): void {
    this.#receiving.seen(seen);
  }

  producerId(local: LocalTrack): string | undefined {
    const place = this.#places.get(local.source);
    return place?.local === local ? place.slot.id : undefined;
  }

  async request(method: string, data: Json): Promise<Json> {
    if (method !== "newConsumers") throw new RequestError(403, `${method} is not supported here`);
    return { refused: await this.#receiving.take(list(data.consumers), list(data.dataConsumers)) };
  }

  // Asks for what was announced, when nothing comes by itself.
  async consume(producerIds: string[]): Promise<RemoteTrack[]> {
    return this.#receiving.consume(producerIds);
  }

  // False if it is not about what is sent and received.
  notification(method: string, data: Json): boolean {
    switch (method) {
      case "admitted":
        this.admitted(data);
        return true;
      case "producerDemand":
        this.#demanded(data);
        return true;
      case "producerMuted":
        this.#judged(text(data, "producerId"), "muted");
        return true;
      case "producerClosed":
        this.#judged(text(data, "producerId"), "closed");
        return true;
      default:
        return this.#receiving.notification(method, data);
    }
  }

  async restartIce(direction: Direction): Promise<void> {
    const transport = direction === "send" ? this.#send : this.#recv;
    if (!transport || transport.closed) return;
    const answer = await this.#host.request("restartIce", { transportId: transport.id });
    const iceParameters = (answer.iceParameters ?? answer) as types.IceParameters;
    if (!transport.closed) await transport.restartIce({ iceParameters });
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
    this.#receiving.measured((track) => all.get(track)?.height ?? 0);
    return all;
  }

  // The whole reports of the browser.
  async reports(): Promise<Record<Direction, unknown[]>> {
    const read = async (transport: types.Transport | undefined): Promise<unknown[]> =>
      transport && !transport.closed ? [...(await transport.getStats()).values()] : [];
    return { send: await read(this.#send), recv: await read(this.#recv) };
  }

  // The room has moved: nothing is asked or told any more. What arrives is shown until there is something newer; what
  // is sent goes on if somebody may still get it.
  retire(sending: boolean): void {
    if (!this.#closed) this.#host.dataReady(undefined);
    this.#closed = true;
    this.#receiving.retire();
    for (const { slot } of this.#places.values()) slot.close();
    this.#places.clear();
    if (!sending) this.#send?.close();
  }

  close(): void {
    this.retire(false);
    this.#receiving.close();
    this.#recv?.close();
    this.#readers.clear();
  }

  async #device(): Promise<Device> {
    const device = await Device.factory();
    await device.load({ routerRtpCapabilities: this.#welcome.routerRtpCapabilities });
    this.#codec = videoCodec(device.sendRtpCapabilities, this.#host.options.codec);
    return device;
  }

  #openTransports(device: Device, { certificate }: Identity): void {
    const { send, recv, iceServers } = this.#welcome;
    const { forceTcp, peerConnection } = this.#host.options;
    // The library takes these two by themselves, and drops them among the rest.
    const { iceServers: own = [], iceTransportPolicy, ...rest } = peerConnection;
    const options = ({ iceCandidates, ...info }: TransportInfo): types.TransportOptions => ({
      ...info,
      iceCandidates: forceTcp ? iceCandidates.filter(({ protocol }) => protocol === "tcp") : iceCandidates,
      iceServers: [...iceServers, ...own],
      ...(iceTransportPolicy ? { iceTransportPolicy } : {}),
      additionalSettings: { ...rest, certificates: [certificate] },
    });
    this.#makeSend = (info) => device.createSendTransport(options(info));
    this.#recv = recv && device.createRecvTransport(options(recv));
    this.#send = send && this.#makeSend(send);
    // The server was told with the join how they connect.
    if (this.#recv) this.#receiving.open(this.#recv);
    if (this.#recv) this.#listen("recv", this.#recv, async () => undefined);
    if (this.#send) this.#listen("send", this.#send, async () => undefined);
  }

  // Who came to listen, and may speak now, has nothing to send on yet.
  #openSend(): void {
    const make = this.#makeSend;
    if (this.#opening || !make) return;
    this.#opening = this.#host
      .request("createTransport", { direction: "send" })
      .then((data) => {
        if (this.#closed) return;
        const transport = make(readTransport(data));
        this.#send = transport;
        this.#listen("send", transport, async (dtlsParameters) => {
          await this.#host.request("connectTransport", { transportId: transport.id, dtlsParameters });
        });
        this.#openSlots();
        if (this.#writes) this.#openData();
      })
      .catch(() => {
        // Not allowed, after all: the next thing that is to be sent tries again.
        this.#opening = undefined;
      });
  }

  #listen(
    direction: Direction,
    transport: types.Transport,
    connect: (dtlsParameters: types.DtlsParameters) => Promise<void>,
  ): void {
    const transportId = transport.id;
    this.#readers.set(transport, new StatsReader());
    transport.on("connect", ({ dtlsParameters }, done, failed) => {
      connect(dtlsParameters).then(done, failed);
    });
    transport.on("produce", ({ kind, rtpParameters, appData }, done, failed) => {
      const { local, ...told } = appData as Json & { local?: LocalTrack };
      const producerId = local && this.#earlier?.get(local.source);
      const data = { transportId, kind, rtpParameters, appData: told, ...(producerId ? { producerId } : {}) };
      this.#host
        .request("produce", data)
        .then((answer) => done({ id: text(answer, "producerId") }))
        .catch(failed);
    });
    transport.on("producedata", ({ sctpStreamParameters, label, protocol, appData }, done, failed) => {
      this.#host
        .request("produceData", { transportId, sctpStreamParameters, label, protocol, appData })
        .then((answer) => done({ id: text(answer, "dataProducerId") }))
        .catch(failed);
    });
    transport.on("connectionstatechange", (state) => {
      if (!this.#closed) this.#host.media(direction, state);
    });
  }

  #openSlots(): void {
    for (const local of this.#host.locals()) if (this.#host.allowed(local)) this.sync(local);
  }

  #openData(): void {
    const send = this.#send;
    this.#writes = this.#host.mayWrite();
    if (!this.#writes) {
      this.#host.dataReady("never");
      return;
    }
    if (!send) {
      this.#openSend();
      return;
    }
    this.#host.dataReady(async (options) => {
      if (this.#closed) throw new RequestError(0, "the session has ended");
      return send.produceData(options);
    });
  }

  #slot(first: LocalTrack): ProducerSlot {
    const current = (): LocalTrack => this.#places.get(first.source)?.local ?? first;
    const produce = async (track: MediaStreamTrack): Promise<types.Producer> => {
      const local = current();
      if (!this.#send) throw new RequestError(403, "not allowed to send");
      // The local track goes through the library to where the request is made, and not further.
      const appData = { ...appDataOf(local.source), ...local.options.appData, local };
      const onRtpSender = (sender: RTCRtpSender): void => this.#host.options.onSender?.(sender, local);
      const producer = await this.#send.produce({
        track,
        stopTracks: false,
        appData,
        onRtpSender,
        ...coding(local, this.#codec),
      });
      const verdict = this.#verdicts.get(producer.id);
      this.#verdicts.delete(producer.id);
      if (verdict && !this.#closed) this.#carryOut(verdict, current());
      return producer;
    };
    const failed = (reason: unknown): void => {
      // What came too early for a room with a lobby is tried again once it has opened.
      if (!this.#closed && this.#joined) this.#host.sendingFailed(current(), reason);
    };
    return new ProducerSlot(produce, this.#host, failed, this.#demands);
  }

  #settled(): void {
    this.#openData();
    this.#host.settled(this.#receiving.ids);
  }

  #demanded(data: Json): void {
    const { producerId, encodings } = readDemand(data);
    remember(this.#demands, producerId, encodings);
    for (const { slot } of this.#places.values()) slot.follow();
  }

  #judged(producerId: string, verdict: Verdict): void {
    const place = [...this.#places.values()].find(({ slot }) => slot.id === producerId);
    if (place) this.#carryOut(verdict, place.local);
    // That it is closed outweighs that it is muted.
    else if (this.#verdicts.get(producerId) !== "closed") remember(this.#verdicts, producerId, verdict);
  }

  #carryOut(verdict: Verdict, local: LocalTrack): void {
    if (verdict === "closed") {
      this.#host.closedByHost(local);
      return;
    }
    local.mute();
    this.#host.mutedByHost(local);
  }
}
