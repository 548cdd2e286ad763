import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EndedError } from "./errors.js";
import type { ConnectOptions } from "./options.js";
import { Room } from "./room.js";
import { FakeConnection } from "./testing/connection.js";
import { FakeTransport } from "./testing/device.js";
import type { Json } from "./wire/frames.js";

vi.mock("mediasoup-client", async () => ({
  Device: (await import("./testing/device.js")).Device,
  parseScalabilityMode: () => ({ spatialLayers: 1, temporalLayers: 1 }),
}));

const GRANTS = { publish: ["audio", "video", "screen", "data"], subscribe: true };
const BOB = { peerId: "bob", displayName: "Bob", role: "speaker", handRaised: false, producers: [] };

function transport(transportId: string): Json {
  const iceCandidates = [{ protocol: "udp" }, { protocol: "tcp" }];
  return { transportId, iceParameters: {}, iceCandidates, dtlsParameters: {}, sctpParameters: {} };
}

function welcome(change: Json = {}, room: Json = {}): Json {
  return {
    session: { token: "t", resumeWithin: 10 },
    peerId: "ada",
    role: "speaker",
    grants: GRANTS,
    routerRtpCapabilities: {},
    transports: { send: transport("s"), recv: transport("r") },
    iceServers: [],
    room: {
      name: "hall",
      namespace: "default",
      locked: false,
      lobby: false,
      metadata: null,
      peers: [],
      ...room,
    },
    ...change,
  };
}

function consumer(consumerId: string, peerId: string, kind = "audio"): Json {
  return { consumerId, peerId, producerId: `of-${consumerId}`, kind, rtpParameters: {}, appData: {} };
}

function track(id: string, kind: "audio" | "video"): MediaStreamTrack {
  return { id, kind, stop: vi.fn() } as unknown as MediaStreamTrack;
}

describe("Room", () => {
  let connections: FakeConnection[];
  let room: Room;
  let said: string[];

  const wire = (): FakeConnection => connections.at(-1) as FakeConnection;
  const settled = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
  const recv = (): FakeTransport =>
    FakeTransport.made.filter(({ direction }) => direction === "recv").at(-1) as FakeTransport;

  const open = (options: Partial<ConnectOptions> = {}): Room => {
    room = new Room("http://node:3000", {
      room: "hall",
      peer: "ada",
      displayName: "Ada",
      connect: (url) => {
        connections.push(new FakeConnection(url, connections.at(-1)?.seq));
        return wire();
      },
      ...options,
    });
    for (const name of ["peerJoined", "peerLeft", "peerChanged"] as const)
      room.on(name, ({ id }) => void said.push(`${name} ${id}`));
    for (const name of ["trackAdded", "trackRemoved"] as const)
      room.on(name, ({ id }) => void said.push(`${name} ${id}`));
    room.on("trackReplaced", ({ id }) => void said.push(`trackReplaced ${id}`));
    room.on("joined", (again) => void said.push(again ? "joined again" : "joined"));
    return room;
  };

  const join = async (answer: Json = {}, greeting: Json = welcome()): Promise<void> => {
    wire().tell("welcome", greeting);
    await settled();
    wire().answer("join", { peers: [], role: "speaker", grants: GRANTS, ...answer });
    await settled();
  };

  beforeEach(() => {
    vi.useFakeTimers();
    FakeTransport.made.length = 0;
    connections = [];
    said = [];
    const certificate = { getFingerprints: () => [{ algorithm: "sha-256", value: "aa:bb" }] };
    vi.stubGlobal("window", new EventTarget());
    vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
    vi.stubGlobal("navigator", { userAgent: "Chrome/156.0" });
    vi.stubGlobal("RTCPeerConnection", { generateCertificate: async () => certificate });
  });

  afterEach(() => {
    room.leave();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("joins with one message that connects both transports, and sends right behind it", async () => {
    open();
    expect(wire().url).toBe("ws://node:3000/plenum?room=hall&peer=ada&redirects=3");
    void room.publish(track("mic", "audio"));
    wire().tell("welcome", welcome());
    await settled();
    expect(wire().methods()).toEqual(["join", "produce"]);
    const [joining] = wire().asked("join");
    const dtlsParameters = { role: "client", fingerprints: [{ algorithm: "sha-256", value: "AA:BB" }] };
    expect(joining?.data).toMatchObject({
      displayName: "Ada",
      device: { flag: "chrome" },
      subscription: "all",
      transports: [
        { transportId: "s", dtlsParameters },
        { transportId: "r", dtlsParameters },
      ],
    });
    expect(wire().asked("produce")[0]?.data).toEqual({
      transportId: "s",
      kind: "audio",
      rtpParameters: {},
      appData: { source: "audio" },
    });
    wire().answer("join", { peers: [BOB], role: "host", grants: GRANTS });
    await expect(room.ready).resolves.toBe(room);
    expect(said).toEqual(["peerJoined bob", "joined"]);
    expect(room.isHost).toBe(true);
    expect(room.peers.get("bob")?.displayName).toBe("Bob");
    wire().answer("produce", { producerId: "p" });
    await settled();
    expect(room.locals.get("microphone")?.producerId).toBe("p");
  });

  it("takes whatever comes at once, and names what it cannot take", async () => {
    open();
    await join({ peers: [BOB] });
    recv().impossible.add("2");
    const consumers = [consumer("1", "bob"), consumer("2", "bob", "video"), consumer("3", "bob", "video")];
    wire().ask(1, "newConsumers", { consumers, dataConsumers: [] });
    wire().tell("consumerPaused", { consumerId: "1" });
    await settled();
    expect(wire().sent.at(-1)).toEqual({ response: true, id: 1, ok: true, data: { refused: ["2"] } });
    expect([...room.tracks.keys()].sort()).toEqual(["1", "3"]);
    expect(room.peers.get("bob")?.track("microphone")?.paused).toBe(true);
    wire().tell("consumersClosed", { consumerIds: ["1", "3", "9"] });
    expect(room.tracks.size).toBe(0);
  });

  it("keeps everything while the connection is made anew", async () => {
    open();
    void room.publish(track("mic", "audio"));
    await join({ peers: [BOB] });
    wire().answer("produce", { producerId: "p" });
    wire().ask(1, "newConsumers", { consumers: [consumer("1", "bob")] });
    await settled();
    said.length = 0;
    const states: string[] = [];
    room.on("connection", ({ state }) => states.push(state));
    wire().lose();
    await settled();
    expect(wire().url).toMatch(/resume=t&seq=\d+$/);
    const raising = room.raiseHand();
    wire().resumed(2);
    wire().answer("raiseHand");
    await raising;
    wire().tell("peerChanged", { peerId: "ada", handRaised: true });
    expect(room.self.handRaised).toBe(true);
    expect(states).toEqual(["resuming", "up"]);
    expect(said).toEqual([]);
    expect(FakeTransport.made.every(({ closed }) => !closed)).toBe(true);
    expect(FakeTransport.made).toHaveLength(2);
  });

  it("joins again when the session is gone, and sends again", async () => {
    open();
    void room.publish(track("mic", "audio"));
    await join({ peers: [BOB] });
    wire().answer("produce", { producerId: "p" });
    wire().ask(1, "newConsumers", { consumers: [consumer("1", "bob")] });
    await settled();
    said.length = 0;
    wire().lose();
    await settled();
    wire().lose(4404);
    expect(said).toEqual(["trackRemoved 1"]);
    expect(room.state).toBe("joining");
    await join({ peers: [{ ...BOB, peerId: "cy" }] }, welcome({ session: { token: "u", resumeWithin: 10 } }));
    expect(said.slice(1)).toEqual(["peerJoined cy", "peerLeft bob", "joined again"]);
    expect(wire().asked("produce")).toHaveLength(1);
    expect(FakeTransport.made.map(({ closed }) => closed)).toEqual([true, true, false, false]);
  });

  it("moves with the room, and shows what was there until the same has arrived", async () => {
    open();
    void room.publish(track("mic", "audio"));
    await join({ peers: [BOB] });
    wire().answer("produce", { producerId: "p" });
    wire().ask(1, "newConsumers", { consumers: [consumer("1", "bob")] });
    await settled();
    said.length = 0;
    const next = welcome({ transports: { send: transport("s2"), recv: transport("r2") } });
    wire().tell("migrate", { reason: "maintenance", makeBeforeBreak: true, welcome: next });
    await settled();
    wire().answer("join", { peers: [], role: "speaker", grants: GRANTS });
    await settled();
    // It keeps its name.
    expect(wire().asked("produce").at(-1)?.data).toMatchObject({ transportId: "s2", producerId: "p" });
    wire().tell("peerJoined", { peer: BOB });
    wire().ask(2, "newConsumers", { consumers: [consumer("2", "bob")] });
    await settled();
    expect([...room.tracks.keys()]).toEqual(["1"]);
    recv().report.set("x", { type: "inbound-rtp", trackIdentifier: "track-2", packetsReceived: 1 });
    await settled(100);
    expect([...room.tracks.keys()]).toEqual(["2"]);
    expect(said).toEqual(["joined again", "peerChanged bob", "trackReplaced 2"]);
    expect(wire().methods()).toContain("migrated");
    const [send, before] = FakeTransport.made;
    expect([send?.closed, before?.closed]).toEqual([false, false]);
    wire().answer("migrated");
    await settled();
    expect([send?.closed, before?.closed]).toEqual([true, true]);
  });

  it("waits at the door, and sends nothing before it is let in", async () => {
    open();
    void room.publish(track("mic", "audio"));
    const waiting = vi.fn();
    room.on("waiting", waiting);
    wire().tell("welcome", welcome({ role: undefined }, { lobby: true }));
    await settled();
    wire().answer("join", { waiting: true });
    await settled();
    expect(waiting).toHaveBeenCalledOnce();
    expect(wire().methods()).toEqual(["join"]);
    wire().tell("admitted", { peers: [BOB], role: "speaker", grants: GRANTS });
    await settled();
    expect(room.state).toBe("joined");
    expect(wire().methods()).toContain("produce");
  });

  it("tells why it ended", async () => {
    for (const [code, said, kind, reason] of [
      [4403, "kicked: sent away by a host", "kicked", "sent away by a host"],
      [4403, "locked: the room is locked", "locked", "the room is locked"],
      [4403, "refused: not let in", "refused", "not let in"],
      [4401, "unauthorized: the token: expired", "token", "the token: expired"],
      [4401, "", "token", ""],
      [4000, "roomClosed: it is over", "closed", "it is over"],
      [4000, "roomFull: ten are enough", "full", "ten are enough"],
      [4000, "replaced: by a newer connection", "replaced", "by a newer connection"],
      [4000, "joinTimeout: did not join in time", "denied", "did not join in time"],
      // People's words decide nothing.
      [4403, "forbidden: locked, full and closed", "denied", "locked, full and closed"],
      [4403, "sleepy: the room sleeps", "denied", "sleepy: the room sleeps"],
      [4000, "toString: an odd word", "denied", "toString: an odd word"],
    ] as const) {
      open();
      const failed = room.ready;
      wire().tell("welcome", welcome());
      wire().lose(code, said);
      await expect(failed).rejects.toBeInstanceOf(EndedError);
      expect(room.end).toEqual({ kind, reason });
      expect(room.state).toBe("ended");
    }
  });

  it("tells why it could not join", async () => {
    for (const [said, end] of [
      ["locked: the room is locked", { kind: "locked", reason: "the room is locked" }],
      ["the room is locked", { kind: "denied", reason: "the room is locked" }],
    ] as const) {
      open();
      const failed = expect(room.ready).rejects.toMatchObject({ end });
      wire().tell("welcome", welcome());
      await settled();
      wire().refuse("join", 403, said);
      await settled(1_000);
      await failed;
    }
  });

  it("has the name that the server gives it", async () => {
    open();
    wire().tell("welcome", welcome({ displayName: "Ada Lovelace" }));
    await settled();
    expect(room.self.displayName).toBe("Ada Lovelace");
    wire().answer("join", { peers: [], displayName: "A. Lovelace", role: "speaker", grants: GRANTS });
    await settled();
    expect(room.self.displayName).toBe("A. Lovelace");
    const renaming = room.setDisplayName("Countess");
    wire().refuse("setDisplayName", 403, "the name is given");
    await expect(renaming).rejects.toMatchObject({ code: 403 });
    expect(room.self.displayName).toBe("A. Lovelace");
  });

  it("keeps a name that was asked for before the answer to joining", async () => {
    open();
    wire().tell("welcome", welcome());
    await settled();
    const renaming = room.setDisplayName("Countess");
    wire().answer("join", { peers: [], displayName: "Ada", role: "speaker", grants: GRANTS });
    wire().answer("setDisplayName");
    await renaming;
    expect(room.self.displayName).toBe("Countess");
  });

  it("stops what a host takes away, and mutes what a host mutes", async () => {
    open();
    const local = await room.publish(track("mic", "audio"));
    await join();
    wire().answer("produce", { producerId: "p" });
    await settled();
    const muted = vi.fn();
    const revoked = vi.fn();
    room.on("muted", muted);
    room.on("revoked", revoked);
    wire().tell("producerMuted", { producerId: "p" });
    expect(muted).toHaveBeenCalledWith(local);
    expect(local.muted).toBe(true);
    wire().tell("peerChanged", { peerId: "ada", role: "listener" });
    expect(revoked).toHaveBeenCalledWith(local);
    expect(room.may("audio")).toBe(false);
    expect(room.locals.size).toBe(0);
    wire().tell("peerChanged", { peerId: "ada", role: "speaker" });
    expect(room.may("audio")).toBe(true);
    await settled();
    expect(wire().asked("produce")).toHaveLength(1);
  });

  it("hears what a host does to something that has only just begun", async () => {
    open();
    const mic = await room.publish(track("mic", "audio"));
    await join();
    const muted = vi.fn();
    const revoked = vi.fn();
    room.on("muted", muted);
    room.on("revoked", revoked);
    wire().answer("produce", { producerId: "p" });
    wire().tell("producerMuted", { producerId: "p" });
    await settled();
    expect(muted).toHaveBeenCalledExactlyOnceWith(mic);
    expect(mic.muted).toBe(true);
    expect(wire().asked("pauseProducer")).toHaveLength(1);
    const camera = await room.publish(track("cam", "video"));
    await settled();
    wire().answer("produce", { producerId: "q" });
    wire().tell("producerClosed", { producerId: "q" });
    await settled();
    expect(revoked).toHaveBeenCalledExactlyOnceWith(camera);
    expect([...room.locals.keys()]).toEqual(["microphone"]);
  });

  it("gives back what it asked for and cannot take", async () => {
    open();
    await join({ peers: [BOB] });
    recv().impossible.add("2");
    const asked = room.consume(["of-1", "of-2"]);
    wire().answer("consume", { consumers: [consumer("1", "bob"), consumer("2", "bob", "video")] });
    await settled();
    expect((await asked).map(({ id }) => id)).toEqual(["1"]);
    expect(wire().asked("closeConsumers")[0]?.data).toEqual({ consumerIds: ["2"] });
  });

  it("says at once that an address is none, also with a token that takes its time", () => {
    open();
    const options = { room: "hall", token: async () => "t", connect: () => wire() };
    expect(() => new Room("http://", options)).toThrow(TypeError);
  });

  it("sends anew what is published with other options, and only then", async () => {
    open();
    const camera = await room.publish(track("cam", "video"), { source: "camera", maxBitrate: 500_000 });
    await join();
    wire().answer("produce", { producerId: "p" });
    await settled();
    const other = track("other", "video");
    expect(await room.publish(other, { maxBitrate: 500_000 })).toBe(camera);
    await settled();
    expect(wire().asked("produce")).toHaveLength(1);
    await room.publish(other, { maxBitrate: 500_000, appData: { title: "Garden" } });
    await settled();
    expect(wire().asked("closeProducer")[0]?.data).toEqual({ producerId: "p" });
    wire().answer("closeProducer");
    await settled();
    expect(wire().asked("produce")[1]?.data).toMatchObject({ appData: { source: "video", title: "Garden" } });
  });

  it("goes back to the name before if another one is refused", async () => {
    open();
    await join();
    const renaming = room.setDisplayName("Countess");
    expect(room.self.displayName).toBe("Countess");
    wire().refuse("setDisplayName", 403, "the name is given");
    await expect(renaming).rejects.toMatchObject({ code: 403 });
    expect(room.self.displayName).toBe("Ada");
    const agreed = room.setDisplayName("A. L.");
    wire().answer("setDisplayName");
    await agreed;
    const again = room.setDisplayName("Countess");
    wire().refuse("setDisplayName", 403, "the name is given");
    await expect(again).rejects.toMatchObject({ code: 403 });
    expect(room.self.displayName).toBe("A. L.");
  });

  it("makes something to send on when it may send since", async () => {
    open();
    const listening = { role: "listener", transports: { recv: transport("r") } };
    await join({ role: "listener" }, welcome(listening));
    expect(room.chat.usable).toBe("no");
    wire().tell("peerChanged", { peerId: "ada", role: "speaker" });
    void room.publish(track("mic", "audio"));
    wire().answer("createTransport", transport("later"));
    await settled();
    expect(wire().methods().slice(0, 3)).toEqual(["join", "createTransport", "connectTransport"]);
    wire().answer("connectTransport");
    await settled();
    expect(wire().asked("produce")[0]?.data).toMatchObject({ transportId: "later" });
    expect(wire().asked("produceData")[0]?.data).toMatchObject({ transportId: "later", label: "chat" });
    wire().answer("produceData", { dataProducerId: "d" });
    await settled();
    expect(room.chat.usable).toBe("yes");
    wire().tell("peerChanged", { peerId: "ada", role: "listener" });
    expect(room.chat.usable).toBe("no");
  });

  it("asks for a token anew with every session", async () => {
    let count = 0;
    open({
      token: async () => {
        count += 1;
        return `token-${count}`;
      },
      namespace: "acme",
    });
    await settled();
    expect(wire().url).toContain("namespace=acme&token=token-1");
    await join();
    wire().lose(1012);
    await settled(1_000);
    expect(wire().url).toContain("token=token-2");
  });

  it("goes to the node that it is sent to, and to another one when that is gone", async () => {
    open({ urls: ["http://second:3000"] });
    const nodes = ["http://fourth:3000"];
    wire().frame({ notification: true, method: "redirect", data: { url: "http://third:3000", reason: "" } });
    expect(wire().url).toBe("ws://third:3000/plenum?room=hall&peer=ada&redirects=2");
    wire().tell("welcome", welcome({ nodes }));
    await settled();
    wire().answer("join", { peers: [] });
    await settled();
    const tried: string[] = [];
    for (let n = 0; n < 6; n += 1) {
      wire().lose();
      await settled(400);
      tried.push(new URL(wire().url).hostname);
    }
    expect(tried).toEqual(["third", "node", "third", "second", "third", "fourth"]);
    expect(wire().url).toContain("ws://fourth:3000/plenum?resume=t");
    wire().lose(4404);
    await settled();
    expect(wire().url).toBe("ws://fourth:3000/plenum?room=hall&peer=ada&redirects=3");
    wire().tell("welcome", welcome());
    await settled();
    wire().answer("join", { peers: [] });
    await settled();
    expect(said).toEqual(["joined", "joined again"]);
    wire().lose();
    await settled();
    expect(wire().url).toContain("ws://fourth:3000/plenum?resume=t");
  });

  it("takes TCP alone where nothing else comes through", async () => {
    open({ forceTcp: true });
    await join();
    expect(recv().options.iceCandidates).toEqual([{ protocol: "tcp" }]);
  });

  it("connects as the page wants it to", async () => {
    const own = { urls: "turn:own.example.org" };
    const peerConnection: RTCConfiguration = {
      iceServers: [own],
      iceTransportPolicy: "relay",
      iceCandidatePoolSize: 1,
    };
    open({ peerConnection });
    const handedOut = { urls: "turn:turn.example.org" };
    await join({}, welcome({ iceServers: [handedOut] }));
    const { iceServers, iceTransportPolicy, additionalSettings } = recv().options;
    expect(iceServers).toEqual([handedOut, own]);
    expect(iceTransportPolicy).toBe("relay");
    // Among these the library would drop them.
    expect(additionalSettings).toEqual({ iceCandidatePoolSize: 1, certificates: [expect.anything()] });
  });

  it("knows the room, and who waits at its door", async () => {
    open();
    await join({ role: "host" });
    wire().tell("roomChanged", { locked: true, lobby: true, maxPeers: 5, metadata: { title: "Tea" } });
    expect(room.info).toEqual({
      name: "hall",
      namespace: "default",
      locked: true,
      lobby: true,
      maxPeers: 5,
      metadata: { title: "Tea" },
    });
    wire().tell("knock", { peerId: "cy", displayName: "Cy" });
    expect([...room.knocks.keys()]).toEqual(["cy"]);
    const admitting = room.admit("cy");
    expect(wire().asked("admit")[0]?.data).toEqual({ peerId: "cy" });
    wire().answer("admit");
    await admitting;
    wire().tell("knockGone", { peerId: "cy" });
    expect(room.knocks.size).toBe(0);
    wire().tell("knock", {});
    expect(room.knocks.size).toBe(0);
  });
});
