// A client of mediasoup-demo's protocols, with the libraries that real ones use: joins a room, sends a camera and a
// microphone, takes whatever others send, talks to the bot and over the chat. Runs in a page.

import { type Channel, Device, type Receiver, type Sender, type Transport } from "mediasoup-client";
import { Peer, type Request, WebSocketTransport } from "protoo-client";

export interface Arrival {
  dialect: "classic" | "newest";
  url: string;
  name: string;
  // Applications of 2026 have another first question.
  asksForStatsUrl: boolean;
}

type Data = Record<string, unknown>;

class Client {
  readonly consumers = new Map<string, Receiver>();
  readonly channels = new Map<string, Channel>();
  readonly own: Record<string, Sender | Channel> = {};
  // What came over channels, and from whom.
  readonly heard: string[] = [];
  readonly closed: string[] = [];
  readonly errors: string[] = [];
  readonly transports: Record<string, Transport> = {};
  #device = new Device({ handlerName: "Chrome111" });
  #peer: Peer;
  #arrival: Arrival;

  constructor(arrival: Arrival) {
    this.#arrival = arrival;
    this.#peer = new Peer(new WebSocketTransport(arrival.url));
    this.#peer.on("request", (request, accept, reject) => {
      this.#take(request).then(
        () => accept(),
        (error) => {
          this.errors.push(`${request.method}: ${error}`);
          reject(500, String(error));
        },
      );
    });
    this.#peer.on("notification", ({ method, data }) => this.#hear(method, data));
  }

  get #newest(): boolean {
    return this.#arrival.dialect === "newest";
  }

  // Resolves when everything that one sends is sent.
  async enter(): Promise<void> {
    await new Promise<void>((resolve) => this.#peer.on("open", resolve));
    const { asksForStatsUrl, name } = this.#arrival;
    if (asksForStatsUrl) await this.ask("getRtcStatsUrl");
    const capabilities = await this.ask("getRouterRtpCapabilities");
    const routerRtpCapabilities = this.#newest ? capabilities.routerRtpCapabilities : capabilities;
    await this.#device.load({ routerRtpCapabilities });
    this.transports.send = await this.#createTransport(true);
    this.transports.receive = await this.#createTransport(false);
    await this.ask("join", {
      displayName: name,
      device: { flag: "chrome", name: "Chrome", version: "156.0" },
      rtpCapabilities: this.#device.recvRtpCapabilities ?? this.#device.rtpCapabilities,
      sctpCapabilities: this.#device.sctpCapabilities,
    });
    await this.#produce();
  }

  async ask(method: string, data: object = {}): Promise<Data> {
    return this.#peer.request(method, data);
  }

  // What this dialect asks for without wanting an answer.
  async order(method: string, data: object): Promise<void> {
    if (this.#newest) await this.#peer.notify(method, data);
    else await this.#peer.request(method, data);
  }

  say(label: string, text: string): void {
    (this.own[label] as Channel).send(text);
  }

  track(kind: string): MediaStreamTrack | undefined {
    for (const { kind: of, track } of this.consumers.values()) if (of === kind) return track;
    return undefined;
  }

  consumer(kind: string): Receiver {
    for (const consumer of this.consumers.values()) if (consumer.kind === kind) return consumer;
    throw new Error(`no consumer of ${kind}`);
  }

  async restartIce(which: string): Promise<void> {
    const transport = this.transports[which] as Transport;
    const answer = await this.ask("restartIce", { transportId: transport.id });
    await transport.restartIce({ iceParameters: this.#newest ? answer.iceParameters : answer });
  }

  leave(): void {
    this.#peer.close();
    for (const transport of Object.values(this.transports)) transport.close();
  }

  async #createTransport(producing: boolean): Promise<Transport> {
    const { sctpCapabilities } = this.#device;
    const purpose = this.#newest
      ? { appData: { direction: producing ? "producer" : "consumer" } }
      : { producing, consuming: !producing };
    const info = await this.ask("createWebRtcTransport", { forceTcp: false, sctpCapabilities, ...purpose });
    const { iceParameters, iceCandidates, dtlsParameters, sctpParameters } = info;
    const options = {
      id: this.#newest ? info.transportId : info.id,
      iceParameters,
      iceCandidates,
      dtlsParameters: { ...(dtlsParameters as Data), role: "auto" },
      sctpParameters,
      iceServers: [],
    };
    const transport = producing
      ? this.#device.createSendTransport(options)
      : this.#device.createRecvTransport(options);
    transport.on("connect", ({ dtlsParameters: own }, done, failed) => {
      this.ask("connectWebRtcTransport", { transportId: transport.id, dtlsParameters: own }).then(
        () => done(),
        failed,
      );
    });
    if (producing) this.#answerSenders(transport);
    return transport;
  }

  #answerSenders(transport: Transport): void {
    const answer = (data: Data, newest: string): { id: string } => ({
      id: String(this.#newest ? data[newest] : data.id),
    });
    transport.on("produce", ({ kind, rtpParameters, appData }, done, failed) => {
      this.ask("produce", { transportId: transport.id, kind, rtpParameters, appData }).then(
        (data) => done(answer(data, "producerId")),
        failed,
      );
    });
    transport.on("producedata", ({ sctpStreamParameters, label, protocol, appData }, done, failed) => {
      const data = { transportId: transport.id, sctpStreamParameters, label, protocol, appData };
      this.ask("produceData", data).then((reply) => done(answer(reply, "dataProducerId")), failed);
    });
  }

  async #produce(): Promise<void> {
    const transport = this.transports.send as Transport;
    for (const label of ["chat", "bot"]) {
      const appData = this.#newest ? { channel: label } : { info: `my-${label}-DataProducer` };
      this.own[label] = await transport.produceData({
        ordered: this.#newest,
        ...(this.#newest ? {} : { maxRetransmits: 1 }),
        label,
        appData,
      });
    }
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    const source = (kind: string): object => (this.#newest ? { source: kind } : {});
    this.own.audio = await transport.produce({
      track: stream.getAudioTracks()[0],
      codecOptions: { opusStereo: true, opusDtx: true, opusFec: true, opusNack: true },
      appData: source("audio"),
    });
    this.own.video = await transport.produce({
      track: stream.getVideoTracks()[0],
      encodings: [
        { scaleResolutionDownBy: 4, maxBitrate: 500_000, scalabilityMode: "L1T3" },
        { scaleResolutionDownBy: 2, maxBitrate: 1_000_000, scalabilityMode: "L1T3" },
        { scaleResolutionDownBy: 1, maxBitrate: 5_000_000, scalabilityMode: "L1T3" },
      ],
      codecOptions: { videoGoogleStartBitrate: 1000 },
      appData: source("video"),
    });
  }

  async #take({ method, data }: Request): Promise<void> {
    const transport = this.transports.receive as Transport;
    if (method === "newConsumer") {
      const id = this.#newest ? data.consumerId : data.id;
      const { peerId, producerId, kind, rtpParameters, appData } = data;
      const consumer = await transport.consume({
        id,
        producerId,
        kind,
        rtpParameters,
        streamId: `${peerId}`,
        appData: { ...(appData as Data), peerId },
      });
      this.consumers.set(consumer.id, consumer);
    } else if (method === "newDataConsumer") {
      const id = this.#newest ? data.dataConsumerId : data.id;
      const { peerId, dataProducerId, sctpStreamParameters, label, protocol, appData } = data;
      const channel = await transport.consumeData({
        id,
        dataProducerId,
        sctpStreamParameters,
        label,
        protocol,
        appData: { ...(appData as Data), peerId },
      });
      this.channels.set(channel.id, channel);
      channel.on("message", (message) => this.heard.push(`${peerId ?? "bot"}: ${message}`));
    } else throw new Error("unknown request");
  }

  #hear(method: string, data: Data): void {
    if (method === "consumerClosed") {
      this.closed.push(String(data.consumerId));
      this.consumers.get(String(data.consumerId))?.close();
      this.consumers.delete(String(data.consumerId));
    } else if (method === "consumerPaused") this.consumers.get(String(data.consumerId))?.pause();
    else if (method === "consumerResumed") this.consumers.get(String(data.consumerId))?.resume();
    else if (method === "dataConsumerClosed") this.channels.delete(String(data.dataConsumerId));
  }
}

const page = window as unknown as { enter: (arrival: Arrival) => Promise<void>; client: Client };

page.enter = async (arrival) => {
  page.client = new Client(arrival);
  await page.client.enter();
};
