import type { types } from "mediasoup-client";
import { describe, expect, it, vi } from "vitest";
import { Receiving, type ReceivingHost } from "./receiving.js";
import { FakeTransport } from "./testing/device.js";

describe("Receiving", () => {
  it("keeps nothing of what could not be made", async () => {
    const added = vi.fn();
    const receiving = new Receiving(
      { options: {}, added } as unknown as ReceivingHost,
      false,
      () => undefined,
    );
    const recv = new FakeTransport("recv", { id: "r" });
    recv.on("connect", ((_: unknown, done: () => void) => done()) as never);
    recv.impossible.add("2");
    receiving.open(recv as unknown as types.Transport);
    const offers = ["1", "2"].map((consumerId) => ({
      consumerId,
      peerId: "bob",
      producerId: `of-${consumerId}`,
      kind: "audio",
      rtpParameters: {},
      appData: {},
    }));
    const taking = receiving.take(offers, []);
    expect(receiving.pending).toBe(2);
    expect(await taking).toEqual(["2"]);
    expect(receiving.pending).toBe(0);
    expect(added).toHaveBeenCalledOnce();
    expect([...receiving.ids]).toEqual(["1"]);
  });
});
