// What is received in one session: media and data of the others, from the server's offer to its end.

import type { types } from "mediasoup-client";
import type { Attachments } from "./attach.js";
import { RequestError } from "./errors.js";
import { Handover } from "./handover.js";
import { RemoteTrack } from "./remote.js";
import { type View, Watching } from "./watching.js";
import { isObject, type Json, object } from "./wire/frames.js";
import {
  type Ask,
  list,
  type NewConsumer,
  type NewDataConsumer,
  readLayers,
  readNewConsumer,
  readNewDataConsumer,
  readScore,
  text,
  texts,
} from "./wire/messages.js";

// A message of somebody on a data channel.
export interface DataMessage {
  // Null: nobody in the room, but its bot.
  peerId: string | null;
  label: string;
  message: unknown;
}

export interface ReceivingHost {
  // End-to-end encryption and the like: every receiver, before any media passes it.
  readonly options: {
    readonly onReceiver: ((receiver: RTCRtpReceiver, peerId: string) => void) | undefined;
  };
  readonly attachments: Attachments;
  readonly request: Ask;
  // Tracks that are shown now.
  shown(): Iterable<RemoteTrack>;
  added(track: RemoteTrack): void;
  removed(track: RemoteTrack): void;
  changed(track: RemoteTrack): void;
  // After a move: in the place of what was shown of the same source.
  replaced(track: RemoteTrack): void;
  data(message: DataMessage): void;
}

// What was told of a consumer that is still being set up.
type Early = Partial<Pick<RemoteTrack, "paused" | "layers" | "score">> | "closed";

export class Receiving {
  readonly #host: ReceivingHost;
  readonly #tracks = new Map<string, RemoteTrack>();
  readonly #consumers = new Map<string, types.Consumer>();
  readonly #dataConsumers = new Map<string, types.DataConsumer>();
  readonly #early = new Map<string, Early>();
  readonly #watching: Watching;
  readonly #handover: Handover | undefined;
  #recv: types.Transport | undefined;
  #closed = false;

  // After a move, what is shown stays until there is something better; `settled` is told when nothing of it is left.
  constructor(host: ReceivingHost, moved: boolean, settled: () => void) {
    this.#host = host;
    this.#handover = moved
      ? new Handover({
          shown: () => host.shown(),
          show: (track) => host.replaced(track),
          report: async () => (this.#recv && !this.#recv.closed ? this.#recv.getStats() : []),
          complete: settled,
        })
      : undefined;
    this.#watching = new Watching({
      // Its tests see to it that the data is what the method takes.
      request: (method, data) => host.request(method, data as never),
      asked: (id, { preferred, paused }) => this.#change(id, { preferred, suspended: paused }),
      pixelRatio: () => globalThis.devicePixelRatio,
    });
  }

  // What is received, by consumer.
  get ids(): ReadonlySet<string> {
    return new Set(this.#tracks.keys());
  }

  // How many consumers are being made.
  get pending(): number {
    return this.#early.size;
  }

  // Where everything arrives.
  open(recv: types.Transport): void {
    this.#recv = recv;
  }

  // The room is joined.
  begin(): void {
    this.#handover?.begin();
  }

  watch(view: View, others: "all" | "nothing"): void {
    this.#watching.view(view, others);
  }

  seen(seen: boolean): void {
    this.#watching.seen(seen);
  }

  // The heights of the pictures that were decoded last, by track.
  measured(height: (track: string) => number): void {
    for (const [id, { track }] of this.#tracks) this.#watching.picture(id, height(track.id));
  }

  // Nothing is asked or told any more; what arrives goes on.
  retire(): void {
    this.#closed = true;
    this.#handover?.close();
    this.#watching.close();
  }

  close(): void {
    this.retire();
    this.#tracks.clear();
    this.#consumers.clear();
    this.#dataConsumers.clear();
  }

  // Asks for what was announced, when nothing comes by itself.
  async consume(producerIds: string[]): Promise<RemoteTrack[]> {
    const data = await this.#host.request("consume", { producerIds });
    const made = list(data.consumers).filter(isObject);
    const refused = await this.take(made, []);
    // Nobody waits for an answer in which they could be named: the server would send them for nothing.
    if (refused.length > 0)
      this.#host.request("closeConsumers", { consumerIds: refused }).catch(() => undefined);
    return made.flatMap((one) => this.#tracks.get(text(one, "consumerId")) ?? []);
  }

  // False if it is not about what is received.
  notification(method: string, data: Json): boolean {
    switch (method) {
      case "consumersClosed":
        for (const id of texts(data, "consumerIds")) this.#consumerClosed(id);
        return true;
      case "consumerPaused":
      case "consumerResumed":
        this.#change(text(data, "consumerId"), { paused: method === "consumerPaused" });
        return true;
      case "consumerLayersChanged":
        this.#change(text(data, "consumerId"), { layers: readLayers(data) });
        return true;
      case "consumerScore":
        this.#change(text(data, "consumerId"), { score: readScore(data) });
        return true;
      case "dataConsumerClosed":
        this.#dataConsumerClosed(text(data, "dataConsumerId"));
        return true;
      default:
        return false;
    }
  }

  // What could not be set up is named in the answer: the server does not send it then.
  async take(consumers: unknown[], dataConsumers: unknown[]): Promise<string[]> {
    const refused: string[] = [];
    const each = async (data: unknown, key: string, consume: () => Promise<void>): Promise<void> => {
      try {
        await consume();
      } catch {
        const id = object(data)[key];
        if (typeof id === "string") refused.push(id);
      }
    };
    await Promise.all([
      ...consumers.map((data) =>
        each(data, "consumerId", () => this.#consume(readNewConsumer(object(data)))),
      ),
      ...dataConsumers.map((data) =>
        each(data, "dataConsumerId", () => this.#consumeData(readNewDataConsumer(object(data)))),
      ),
    ]);
    return refused;
  }

  async #consume({ id, peerId, producerId, kind, ...one }: NewConsumer): Promise<void> {
    const recv = this.#recv;
    if (!recv || this.#closed) throw new RequestError(403, "not ready to receive");
    if (this.#tracks.has(id)) return;
    const screen = one.appData.share === true || one.appData.source === "screensharing";
    const options: types.ConsumerOptions = {
      id,
      producerId,
      kind,
      rtpParameters: one.rtpParameters,
      // One stream per person and source: only what belongs together is played in step.
      streamId: `${peerId}-${screen ? "screen" : "camera"}`,
      onRtpReceiver: (receiver) => this.#host.options.onReceiver?.(receiver, peerId),
    };
    const { made: consumer, early } = await this.#listening(id, () => recv.consume(options));
    if (this.#closed || early === "closed") {
      consumer.close();
      return;
    }
    this.#consumers.set(id, consumer);
    const { track, rtpReceiver: receiver } = consumer;
    const { appData, count, score, producerPaused: paused } = one;
    const init = { id, peerId, producerId, kind, appData, count, score, track, paused, receiver };
    const remote = Object.assign(new RemoteTrack(init, this.#host.attachments), early);
    this.#tracks.set(id, remote);
    if (!this.#handover?.take(remote)) this.#host.added(remote);
    // Sound is never asked to be less, nor to stop.
    if (kind !== "video") return;
    this.#watching.add(id, remote.key, count);
    if (remote.layers) this.#watching.layer(id, remote.layers.spatial);
  }

  // What is told of a consumer while it is being made.
  async #listening<T>(id: string, make: () => Promise<T>): Promise<{ made: T; early: Early }> {
    this.#early.set(id, {});
    try {
      const made = await make();
      return { made, early: this.#early.get(id) ?? {} };
    } finally {
      this.#early.delete(id);
    }
  }

  async #consumeData({ peerId, ...options }: NewDataConsumer): Promise<void> {
    const { id, label } = options;
    const recv = this.#recv;
    if (!recv || this.#closed) throw new RequestError(403, "not ready to receive");
    if (this.#dataConsumers.has(id)) return;
    const consumer = await recv.consumeData(options);
    if (this.#closed) {
      consumer.close();
      return;
    }
    this.#dataConsumers.set(id, consumer);
    consumer.on("message", (message: unknown) => {
      if (!this.#closed) this.#host.data({ peerId, label, message });
    });
  }

  #dataConsumerClosed(id: string): void {
    this.#dataConsumers.get(id)?.close();
    this.#dataConsumers.delete(id);
  }

  #change(id: string, change: Partial<Omit<RemoteTrack, "id">>): void {
    const track = this.#tracks.get(id);
    if (!track) {
      const early = this.#early.get(id);
      if (early && early !== "closed") this.#early.set(id, { ...early, ...change });
      return;
    }
    if ("layers" in change) this.#watching.layer(id, change.layers?.spatial);
    Object.assign(track, change);
    if (!this.#handover?.changed(track)) this.#host.changed(track);
  }

  #consumerClosed(id: string): void {
    if (this.#early.has(id)) this.#early.set(id, "closed");
    const track = this.#tracks.get(id);
    this.#watching.remove(id);
    this.#consumers.get(id)?.close();
    this.#consumers.delete(id);
    this.#tracks.delete(id);
    this.#handover?.remove(id);
    if (track) this.#host.removed(track);
  }
}
