// A client of the Socket.IO protocol of mediasoup-sfu-webrtc-video-rooms, with the libraries that its page uses: creates and
// joins a room, sends a camera and a microphone, takes whatever others send. Runs in a page.

import { Device, type Receiver, type Sender, type Transport } from "mediasoup-client";
import { io, type Socket } from "socket.io-client";

export interface Visit {
  room: string;
  name: string;
}

type Data = Record<string, unknown>;

class Client {
  readonly consumers = new Map<string, Receiver>();
  readonly own: Record<string, Sender> = {};
  readonly closed: string[] = [];
  readonly errors: string[] = [];
  readonly socket: Socket = io();
  #device = new Device({ handlerName: "Chrome111" });
  #send: Transport | undefined;
  #receive: Transport | undefined;
  #consuming: Promise<void> = Promise.resolve();

  async enter({ room, name }: Visit): Promise<void> {
    this.socket.on("newProducers", (list: { producer_id: string }[]) => {
      for (const { producer_id } of list) {
        this.#consuming = this.#consuming.then(() => this.#consume(producer_id));
      }
    });
    this.socket.on("consumerClosed", ({ consumer_id }: { consumer_id: string }) => {
      this.closed.push(consumer_id);
      this.consumers.get(consumer_id)?.close();
      this.consumers.delete(consumer_id);
    });
    await this.ask("createRoom", { room_id: room });
    await this.ask("join", { room_id: room, name });
    const routerRtpCapabilities = await this.ask("getRouterRtpCapabilities");
    await this.#device.load({ routerRtpCapabilities });
    const { rtpCapabilities } = this.#device;
    const send = await this.ask("createWebRtcTransport", { forceTcp: false, rtpCapabilities });
    this.#send = this.#connected(this.#device.createSendTransport(send as object));
    this.#send.on("produce", ({ kind, rtpParameters }, done, failed) => {
      this.ask("produce", { producerTransportId: this.#send?.id, kind, rtpParameters }).then(
        (data) => done({ id: String((data as Data).producer_id) }),
        failed,
      );
    });
    const receive = await this.ask("createWebRtcTransport", { forceTcp: false });
    this.#receive = this.#connected(this.#device.createRecvTransport(receive as object));
    this.socket.emit("getProducers");
    await this.#produce();
  }

  // The data of the acknowledgement.
  async ask(event: string, data: object = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.socket.emit(event, data, (answer: Data) => {
        if (answer.error) reject(new Error(String(answer.error)));
        else resolve(answer);
      });
    });
  }

  track(kind: string): MediaStreamTrack | undefined {
    for (const { kind: of, track } of this.consumers.values()) if (of === kind) return track;
    return undefined;
  }

  stop(kind: string): void {
    const producer = this.own[kind];
    this.socket.emit("producerClosed", { producer_id: producer?.id });
    producer?.close();
  }

  #connected(transport: Transport): Transport {
    transport.on("connect", ({ dtlsParameters }, done, failed) => {
      this.ask("connectTransport", { dtlsParameters, transport_id: transport.id }).then(() => done(), failed);
    });
    return transport;
  }

  async #produce(): Promise<void> {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    const transport = this.#send as Transport;
    this.own.audio = await transport.produce({ track: stream.getAudioTracks()[0] });
    this.own.video = await transport.produce({
      track: stream.getVideoTracks()[0],
      encodings: [
        { rid: "r0", maxBitrate: 100_000, scalabilityMode: "S1T3" },
        { rid: "r1", maxBitrate: 300_000, scalabilityMode: "S1T3" },
        { rid: "r2", maxBitrate: 900_000, scalabilityMode: "S1T3" },
      ],
      codecOptions: { videoGoogleStartBitrate: 1000 },
    });
  }

  async #consume(producerId: string): Promise<void> {
    try {
      // A list that was asked for may name what has been told of already.
      for (const { appData } of this.consumers.values() as Iterable<Receiver & { appData: Data }>) {
        if (appData.producerId === producerId) return;
      }
      const { rtpCapabilities } = this.#device;
      const consumerTransportId = this.#receive?.id;
      const data = await this.ask("consume", { rtpCapabilities, consumerTransportId, producerId });
      const { id, kind, rtpParameters } = data as Data;
      const consumer = await (this.#receive as Transport).consume({
        id,
        producerId,
        kind,
        rtpParameters,
        appData: { producerId },
      });
      this.consumers.set(consumer.id, consumer);
    } catch (error) {
      this.errors.push(`consume: ${error}`);
    }
  }
}

const page = window as unknown as { enter: (visit: Visit) => Promise<void>; client: Client };

page.enter = async (visit) => {
  page.client = new Client();
  await page.client.enter(visit);
};
