import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoff } from "./backoff";
import { type Handlers, ProtooClient, RequestError, type Socket } from "./client";
import { parse } from "./messages";

class FakeSocket implements Socket {
  readyState: WebSocket["readyState"] = 0;
  sent: Record<string, unknown>[] = [];
  closedByClient = false;
  onopen: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closedByClient = true;
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.({} as Event);
  }

  say(message: unknown): void {
    this.onmessage?.({
      data: typeof message === "string" ? message : JSON.stringify(message),
    } as MessageEvent);
  }

  lose(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason } as CloseEvent);
  }
}

describe("ProtooClient", () => {
  let sockets: FakeSocket[];
  let urls: string[];
  let handlers: { [K in keyof Handlers]: ReturnType<typeof vi.fn<Handlers[K]>> };
  let client: ProtooClient;

  const socket = (): FakeSocket => sockets.at(-1) as FakeSocket;

  beforeEach(() => {
    vi.useFakeTimers();
    sockets = [];
    urls = [];
    handlers = {
      open: vi.fn(),
      disconnected: vi.fn(),
      closed: vi.fn(),
      request: vi.fn(() => Promise.resolve(undefined)),
      notification: vi.fn(),
    };
    client = new ProtooClient({
      url: "ws://node/?roomId=r&peerId=p",
      handlers,
      random: () => 0.5,
      connect: (url) => {
        urls.push(url);
        sockets.push(new FakeSocket());
        return socket();
      },
    });
  });

  afterEach(() => {
    client.close();
    vi.useRealTimers();
  });

  it("pairs answers with requests by id", async () => {
    socket().open();
    const first = client.request("one");
    const second = client.request("two", { a: 1 });
    const [a, b] = socket().sent;
    expect(b).toMatchObject({ request: true, method: "two", data: { a: 1 } });
    expect(a?.id).not.toBe(b?.id);
    socket().say({ response: true, id: b?.id, ok: true, data: [2] });
    socket().say({ response: true, id: a?.id, ok: true });
    expect(await second).toEqual([2]);
    expect(await first).toEqual({});
  });

  it("turns error answers into errors with their code", async () => {
    socket().open();
    const asked = client.request("join");
    socket().say({ response: true, id: socket().sent[0]?.id, errorCode: 403, errorReason: "full" });
    await expect(asked).rejects.toMatchObject({ code: 403, message: "full" });
  });

  it("does not wait for answers for ever", async () => {
    socket().open();
    const asked = client.request("join", {}, 1000);
    const refused = expect(asked).rejects.toMatchObject({ code: 0 });
    await vi.advanceTimersByTimeAsync(1000);
    await refused;
  });

  it("refuses requests while there is no connection", async () => {
    await expect(client.request("join")).rejects.toBeInstanceOf(RequestError);
  });

  it("answers requests of the server", async () => {
    socket().open();
    handlers.request.mockResolvedValueOnce(undefined);
    socket().say({ request: true, id: 7, method: "newConsumer", data: { id: "c" } });
    await vi.advanceTimersByTimeAsync(0);
    expect(handlers.request).toHaveBeenCalledWith("newConsumer", { id: "c" });
    handlers.request.mockRejectedValueOnce(new RequestError(403, "no"));
    socket().say({ request: true, id: 8, method: "newConsumer" });
    await vi.advanceTimersByTimeAsync(0);
    expect(socket().sent).toEqual([
      { response: true, id: 7, ok: true, data: {} },
      { response: true, id: 8, errorCode: 403, errorReason: "no" },
    ]);
  });

  it("answers later requests while an earlier one is still being worked on", async () => {
    socket().open();
    let finish = (): void => undefined;
    handlers.request.mockImplementationOnce(
      () =>
        new Promise((resolve) => {
          finish = () => resolve(undefined);
        }),
    );
    socket().say({ request: true, id: 1, method: "newConsumer" });
    socket().say({ request: true, id: 2, method: "newConsumer" });
    await vi.advanceTimersByTimeAsync(0);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(socket().sent.map(({ id }) => id)).toEqual([2, 1]);
  });

  it("passes notifications on and drops what it does not understand", () => {
    socket().open();
    socket().say("not json");
    socket().say([1, 2]);
    socket().say({ hello: 1 });
    socket().say({ response: true, id: 99, ok: true });
    socket().say({ notification: true, method: "newPeer" });
    expect(handlers.notification.mock.calls).toEqual([["newPeer", {}]]);
  });

  it("comes back with the same address after a loss, later each time", async () => {
    socket().open();
    const asked = client.request("join");
    const lost = expect(asked).rejects.toMatchObject({ code: 0 });
    socket().lose();
    await lost;
    expect(handlers.disconnected).toHaveBeenLastCalledWith(1, 450);
    await vi.advanceTimersByTimeAsync(450);
    expect(sockets).toHaveLength(2);
    socket().lose();
    expect(handlers.disconnected).toHaveBeenLastCalledWith(2, 900);
    await vi.advanceTimersByTimeAsync(900);
    socket().open();
    expect(handlers.open).toHaveBeenCalledTimes(2);
    expect(new Set(urls).size).toBe(1);
    socket().lose();
    expect(handlers.disconnected).toHaveBeenLastCalledWith(1, 450);
  });

  it("gives an attempt up that does not open", async () => {
    await vi.advanceTimersByTimeAsync(8000);
    expect(sockets[0]?.closedByClient).toBe(true);
    expect(handlers.disconnected).toHaveBeenCalledOnce();
  });

  it("stays away when the server says so", async () => {
    socket().open();
    socket().lose(4000, "room closed");
    expect(handlers.closed).toHaveBeenCalledWith("room closed");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(handlers.disconnected).not.toHaveBeenCalled();
  });

  it("reconnects at once when told that the connection is dead", () => {
    socket().open();
    client.reconnect();
    expect(sockets[0]?.closedByClient).toBe(true);
    expect(sockets).toHaveLength(2);
    socket().open();
    expect(handlers.open).toHaveBeenCalledTimes(2);
  });

  it("does not wait for the next attempt when somebody is impatient", () => {
    socket().lose();
    client.retryNow();
    client.retryNow();
    expect(sockets).toHaveLength(2);
  });

  it("ignores a connection that it has given up", () => {
    const [old] = sockets;
    old?.open();
    const { onclose } = old as FakeSocket;
    client.reconnect();
    onclose?.({ code: 1006 } as CloseEvent);
    expect(handlers.disconnected).toHaveBeenCalledTimes(1);
    expect(sockets).toHaveLength(2);
  });

  it("is quiet after it was closed", async () => {
    socket().open();
    client.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(handlers.disconnected).not.toHaveBeenCalled();
    expect(handlers.closed).not.toHaveBeenCalled();
  });
});

describe("messages", () => {
  it("need numbers as ids", () => {
    expect(parse('{"request":true,"id":"1","method":"m"}')).toBeUndefined();
    expect(parse('{"response":true,"ok":true}')).toBeUndefined();
    expect(parse('{"response":true,"id":1}')).toEqual({
      response: true,
      id: 1,
      errorCode: 500,
      errorReason: "unknown error",
    });
  });
});

describe("backoff", () => {
  it("doubles up to eight seconds and is never longer", () => {
    expect([0, 1, 2, 3, 4, 5, 99].map((attempt) => backoff(attempt, 1))).toEqual([
      500, 1000, 2000, 4000, 8000, 8000, 8000,
    ]);
    expect(backoff(0, 0)).toBe(400);
  });
});
