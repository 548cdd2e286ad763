import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RequestError } from "../errors.js";
import { FakeConnection } from "../testing/connection.js";
import { backoff } from "./backoff.js";
import { parse } from "./frames.js";
import { type Handlers, Socket } from "./socket.js";

const WELCOME = { session: { token: "t", resumeWithin: 10 } };

describe("Socket", () => {
  let connections: FakeConnection[];
  let handlers: { [K in keyof Handlers]: ReturnType<typeof vi.fn<Handlers[K]>> };
  let socket: Socket;

  const now = (): FakeConnection => connections.at(-1) as FakeConnection;
  const settled = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    vi.useFakeTimers();
    connections = [];
    handlers = {
      welcome: vi.fn(),
      resumed: vi.fn(),
      interrupted: vi.fn(),
      lost: vi.fn(),
      closed: vi.fn(),
      request: vi.fn(() => Promise.resolve(undefined)),
      notification: vi.fn(),
    };
    socket = new Socket({
      address: (resume) => (resume ? `resume=${resume.token}&seq=${resume.seq}` : "new"),
      handlers,
      random: () => 0.5,
      connect: (url) => {
        connections.push(new FakeConnection(url, connections.at(-1)?.seq));
        return now();
      },
    });
    now().tell("welcome", WELCOME);
  });

  afterEach(() => {
    socket.close();
    vi.useRealTimers();
  });

  it("pairs answers with requests by id", async () => {
    const first = socket.request("one");
    const second = socket.request("two", { a: 1 });
    now().answer("two", { b: 2 });
    now().answer("one", {});
    await expect(first).resolves.toEqual({});
    await expect(second).resolves.toEqual({ b: 2 });
  });

  it("tells refusals, and gives up what is not answered", async () => {
    const refused = socket.request("one");
    now().refuse("one", 403, "no");
    await expect(refused).rejects.toMatchObject({ code: 403, message: "no" });
    const late = socket.request("two", {}, 1_000);
    const failed = expect(late).rejects.toMatchObject({ code: 0 });
    await settled(1_000);
    await failed;
  });

  it("answers what the server asks, with the error where that fails", async () => {
    handlers.request.mockResolvedValueOnce({ fine: true });
    handlers.request.mockRejectedValueOnce(new RequestError(404, "unknown"));
    now().ask(7, "newConsumers", { a: 1 });
    now().ask(8, "newConsumers");
    await settled();
    expect(handlers.request).toHaveBeenCalledWith("newConsumers", { a: 1 });
    expect(now().sent).toEqual([
      { response: true, id: 7, ok: true, data: { fine: true } },
      { response: true, id: 8, errorCode: 404, errorReason: "unknown" },
    ]);
  });

  it("passes over frames that are none", () => {
    for (const frame of ["", "null", "[]", '"x"', "{}", '{"request":true}', '{"response":true,"id":1}'])
      now().frame(frame);
    expect(handlers.notification).not.toHaveBeenCalled();
    expect(handlers.request).not.toHaveBeenCalled();
  });

  it("resumes at once where it was, and says again what did not arrive", async () => {
    now().tell("peerJoined", { n: 1 });
    const arrived = socket.request("one");
    const lost = socket.request("two");
    now().lose();
    expect(handlers.interrupted).toHaveBeenLastCalledWith(1, 0, true);
    const meanwhile = socket.request("three");
    await settled();
    expect(now().url).toBe("resume=t&seq=2");
    expect(now().sent).toEqual([]);
    now().resumed(1);
    expect(handlers.resumed).toHaveBeenCalledOnce();
    expect(now().methods()).toEqual(["two", "three"]);
    now().say({ response: true, id: 1, ok: true, data: {} });
    now().answer("two");
    now().answer("three");
    await Promise.all([arrived, lost, meanwhile]);
    expect(handlers.lost).not.toHaveBeenCalled();
    expect(handlers.welcome).toHaveBeenCalledOnce();
  });

  it("gives answers again that the server has not seen, also those that were found meanwhile", async () => {
    let finish: (value: Record<string, unknown>) => void = () => undefined;
    now().ask(1, "newConsumers");
    await settled();
    handlers.request.mockReturnValueOnce(
      new Promise((resolve) => {
        finish = resolve;
      }),
    );
    now().ask(2, "newConsumers");
    now().lose();
    await settled();
    finish({ late: true });
    await settled();
    now().resumed(0, [1, 2]);
    expect(now().sent).toEqual([
      { response: true, id: 1, ok: true, data: {} },
      { response: true, id: 2, ok: true, data: { late: true } },
    ]);
  });

  it("hears nothing twice", async () => {
    now().tell("peerJoined", { n: 1 });
    now().lose();
    await settled();
    now().resumed(0);
    now().frame({ notification: true, method: "peerJoined", data: { n: 1 }, seq: 2 });
    now().frame({ notification: true, method: "peerLeft", data: { n: 2 }, seq: 3 });
    expect(handlers.notification.mock.calls).toEqual([
      ["peerJoined", { n: 1 }],
      ["peerLeft", { n: 2 }],
    ]);
  });

  it("begins anew when the server does not have the session any more", async () => {
    const asked = socket.request("one");
    const failed = expect(asked).rejects.toMatchObject({ code: 0 });
    now().lose();
    await settled();
    now().lose(4404, "unknown session");
    await failed;
    expect(handlers.lost).toHaveBeenCalledOnce();
    expect(now().url).toBe("new");
    now().tell("welcome", { session: { token: "u", resumeWithin: 10 } });
    expect(handlers.welcome).toHaveBeenCalledTimes(2);
  });

  it("tries to resume as long as the server keeps the session, and begins anew then", async () => {
    now().lose();
    for (let passed = 0; passed < 9_000; passed += 100) {
      await settled(100);
      if (now().readyState === 0) now().lose();
    }
    expect(handlers.lost).not.toHaveBeenCalled();
    expect(connections.length).toBeGreaterThan(10);
    for (let passed = 0; passed < 3_000; passed += 100) {
      await settled(100);
      if (now().readyState === 0) now().lose();
    }
    expect(handlers.lost).toHaveBeenCalledOnce();
    expect(now().url).toBe("new");
    await expect(socket.request("one")).rejects.toMatchObject({ code: 0 });
  });

  it("does not try to resume what a server that ends does not keep", async () => {
    now().lose(1012, "restart");
    expect(handlers.lost).toHaveBeenCalledOnce();
    expect(handlers.interrupted).toHaveBeenLastCalledWith(1, 450, false);
    await settled(450);
    expect(now().url).toBe("new");
  });

  it("stays away when it is told to", async () => {
    socket.close();
    for (const code of [4000, 4401, 4403]) {
      const other = new Socket({
        address: () => "new",
        handlers,
        connect: (url) => {
          connections.push(new FakeConnection(url));
          return now();
        },
      });
      now().tell("welcome", WELCOME);
      const asked = other.request("one");
      const failed = expect(asked).rejects.toMatchObject({ code: 0 });
      now().lose(code, "because");
      await failed;
      expect(handlers.closed).toHaveBeenLastCalledWith({ code, reason: "because" });
      const count = connections.length;
      await settled(60_000);
      expect(connections.length).toBe(count);
    }
  });

  it("gives up a connection that says nothing", async () => {
    now().lose();
    await settled();
    const silent = now();
    await settled(8_000);
    expect(silent.readyState).toBe(3);
    await settled(400);
    expect(connections.length).toBe(3);
  });

  it("takes another connection when it is asked to, with the session or without it", async () => {
    socket.reconnect();
    expect(now().url).toBe("resume=t&seq=1");
    now().resumed(0);
    expect(socket.connected).toBe(true);
    socket.restart();
    expect(handlers.lost).toHaveBeenCalledOnce();
    expect(now().url).toBe("new");
  });

  it("goes on under the session of a room that has moved", async () => {
    now().tell("migrate", { welcome: { session: { token: "other", resumeWithin: 10 } } });
    expect(handlers.notification).toHaveBeenCalledWith("migrate", expect.anything());
    now().lose();
    await settled();
    expect(now().url).toBe("resume=other&seq=2");
  });

  it("ends when an address that had to be waited for is none", async () => {
    const other = new Socket({
      address: async () => "no address",
      handlers,
      connect: () => {
        throw new SyntaxError("invalid URL");
      },
    });
    await settled();
    expect(handlers.closed).toHaveBeenCalledExactlyOnceWith({ code: 0, reason: "invalid URL" });
    expect(handlers.interrupted).not.toHaveBeenCalled();
    await expect(other.request("one")).rejects.toMatchObject({ code: 0 });
  });

  describe("with other nodes", () => {
    let elsewhere: boolean;
    let cluster: Socket;
    const forgotten = vi.fn();

    beforeEach(() => {
      socket.close();
      elsewhere = false;
      forgotten.mockClear();
      handlers.welcome.mockClear();
      cluster = new Socket({
        address: (resume) => {
          if (!resume) return "elsewhere";
          return elsewhere ? "second" : "home";
        },
        forgotten,
        hasOthers: () => true,
        redirected: (url) => url !== "too often",
        handlers,
        random: () => 0.5,
        connect: (url) => {
          connections.push(new FakeConnection(url, url === "elsewhere" ? 0 : 1));
          return now();
        },
      });
    });

    afterEach(() => cluster.close());

    // A connection that nobody takes.
    const refused = async (): Promise<void> => {
      now().lose();
      await settled(400);
    };

    it("goes where it is sent to before it is welcome", () => {
      const first = now();
      first.frame({ notification: true, method: "redirect", data: { url: "b", reason: "full" } });
      expect(first.readyState).toBe(3);
      expect(now()).not.toBe(first);
      now().frame({ notification: true, method: "redirect", data: { url: "too often" } });
      now().tell("welcome", WELCOME);
      expect(handlers.welcome).toHaveBeenCalledOnce();
      expect(handlers.notification).not.toHaveBeenCalled();
    });

    it("comes again when it was told to, to the same node", async () => {
      now().frame({ notification: true, method: "comeBack", data: { afterMs: 2_500 } });
      elsewhere = true;
      const first = now();
      now().lose(1013);
      await settled(2_499);
      expect(now()).toBe(first);
      await settled(1);
      expect(now()).not.toBe(first);
      expect(now().url).toBe("elsewhere");
      now().tell("welcome", WELCOME);
      expect(handlers.welcome).toHaveBeenCalledOnce();
      expect(handlers.notification).not.toHaveBeenCalled();
    });

    it("goes on with its session through another node", async () => {
      now().tell("welcome", WELCOME);
      const asked = cluster.request("one");
      await refused();
      expect(now().url).toBe("home");
      elsewhere = true;
      await refused();
      expect(now().url).toBe("second");
      now().resumed(0);
      now().say({ response: true, id: 1, ok: true, data: {} });
      await expect(asked).resolves.toEqual({});
      expect(handlers.lost).not.toHaveBeenCalled();
    });

    it("begins anew where nobody knows its session any more", async () => {
      now().tell("welcome", WELCOME);
      elsewhere = true;
      await refused();
      expect(now().url).toBe("second");
      now().lose(4404);
      expect(forgotten).toHaveBeenCalledOnce();
      expect(handlers.lost).toHaveBeenCalledOnce();
      expect(now().url).toBe("elsewhere");
    });

    it("looks elsewhere within seconds when a machine falls silent", async () => {
      now().tell("welcome", WELCOME);
      await settled(2_500);
      expect(now().methods()).toEqual(["ping"]);
      now().answer("ping");
      await settled(2_500);
      expect(now().methods()).toEqual(["ping", "ping"]);
      elsewhere = true;
      const silent = now();
      await settled(2_500);
      expect(silent.readyState).toBe(3);
      await settled(1);
      // Nor does a connection to it come to be.
      elsewhere = false;
      expect(now().url).toBe("second");
      await settled(2_500);
      await settled(400);
      expect(now().url).toBe("home");
      now().resumed(0);
      expect(handlers.lost).not.toHaveBeenCalled();
      expect(cluster.connected).toBe(true);
    });
  });

  it("skips the rest of the waiting time when it is asked to", async () => {
    now().lose(1013);
    const count = connections.length;
    socket.retryNow();
    expect(connections.length).toBe(count + 1);
    socket.retryNow();
    expect(connections.length).toBe(count + 1);
  });
});

describe("waiting times", () => {
  it("double up to a bound, with a fifth left to chance", () => {
    expect([0, 1, 2, 3, 4, 9, 99].map((attempt) => backoff(attempt, 1))).toEqual([
      500, 1000, 2000, 4000, 8000, 8000, 8000,
    ]);
    expect(backoff(0, 0)).toBe(400);
  });
});

describe("frames", () => {
  it("keep their number, and whatever is missing of them is empty", () => {
    expect(parse('{"notification":true,"method":"m","seq":3}')).toEqual({
      notification: true,
      method: "m",
      data: {},
      seq: 3,
    });
    expect(parse('{"response":true,"id":1,"errorCode":"x"}')).toMatchObject({
      errorCode: 500,
      errorReason: "unknown error",
    });
  });
});
