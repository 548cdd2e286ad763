import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RequestError } from "./errors.js";
import { Health } from "./health.js";

describe("Health", () => {
  let log: string[];
  let connected: boolean;
  let answer: () => Promise<Record<string, unknown>>;
  let restart: () => Promise<void>;
  let health: Health;

  const later = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
  const never = (): Promise<never> => new Promise(() => undefined);

  beforeEach(() => {
    vi.useFakeTimers();
    log = [];
    connected = true;
    answer = async () => ({});
    restart = async () => undefined;
    health = new Health({
      socket: {
        get connected() {
          return connected;
        },
        request: () => answer(),
        reconnect: () => log.push("reconnect"),
        restart: () => log.push("begin anew"),
        retryNow: () => log.push("try now"),
      },
      restartIce: (direction) => {
        log.push(`ice ${direction}`);
        return restart();
      },
      weak: (weak) => log.push(weak ? "weak" : "well"),
    });
  });

  afterEach(() => {
    health.close();
    vi.useRealTimers();
  });

  it("lets short gaps heal by themselves", async () => {
    health.media("recv", "disconnected");
    expect(health.weak).toBe(true);
    await later(2_400);
    health.media("recv", "connected");
    await later(20_000);
    expect(log).toEqual(["weak", "well"]);
  });

  it("restarts ICE, and begins anew when that does not help", async () => {
    health.media("recv", "disconnected");
    await later(2_500);
    expect(log).toEqual(["weak", "ice recv"]);
    await later(10_000);
    expect(log).toEqual(["weak", "ice recv", "begin anew"]);
  });

  it("does not wait when media has failed, nor when the server does not know the transport", async () => {
    restart = () => Promise.reject(new RequestError(404, "unknown transport"));
    health.media("send", "failed");
    await later(0);
    expect(log).toEqual(["weak", "ice send", "begin anew"]);
  });

  it("is well when both directions are", async () => {
    health.media("send", "disconnected");
    health.media("recv", "disconnected");
    health.media("recv", "connected");
    expect(log).toEqual(["weak", "weak"]);
    health.media("send", "connected");
    expect(log.at(-1)).toBe("well");
  });

  it("looks after the connection when the network changes", async () => {
    health.networkChanged();
    answer = () => Promise.reject(new RequestError(400, "what is a ping?"));
    await later(0);
    health.networkChanged();
    await later(0);
    expect(log).toEqual([]);
    answer = () => Promise.reject(new RequestError(0, "no answer"));
    health.networkChanged();
    await later(0);
    expect(log).toEqual(["reconnect"]);
    connected = false;
    health.networkChanged();
    expect(log).toEqual(["reconnect", "try now"]);
  });

  it("asks one question at a time, and none once it is over", async () => {
    let asked = 0;
    answer = () => {
      asked += 1;
      return never();
    };
    health.networkChanged();
    health.networkChanged();
    expect(asked).toBe(1);
    health.close();
    health.networkChanged();
    expect(asked).toBe(1);
  });
});
