// A WebRTC stack that shares nothing with browsers or with us, as a publisher and as a player.

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { MediaStreamTrack, RTCPeerConnection, useNACK, useOPUS, usePLI, useSdesMid, useVP8 } from "werift";
import type { Hall } from "./hall";

const connection = (): RTCPeerConnection =>
  new RTCPeerConnection({
    bundlePolicy: "max-bundle",
    codecs: { audio: [useOPUS()], video: [useVP8({ rtcpFeedback: [useNACK(), usePLI()] })] },
    headerExtensions: { audio: [useSdesMid()], video: [useSdesMid()] },
  });

// What ffmpeg encodes, packet by packet.
class Film {
  readonly #socket: Socket;
  readonly #encoder: ChildProcess;

  private constructor(socket: Socket, encoder: ChildProcess) {
    this.#socket = socket;
    this.#encoder = encoder;
  }

  static async play(input: string[], codec: string[], take: (packet: Buffer) => void): Promise<Film> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const { port } = socket.address() as AddressInfo;
    socket.on("message", (packet) => {
      // RTCP has a port of its own, which nobody listens to.
      if (((packet[1] ?? 0) & 0x7f) >= 96) take(packet);
    });
    const out = ["-payload_type", "96", "-f", "rtp", `rtp://127.0.0.1:${port}?pkt_size=1200`];
    const quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi"];
    const encoder = spawn("ffmpeg", [...quiet, ...input, ...codec, ...out], { stdio: "ignore" });
    return new Film(socket, encoder);
  }

  stop(): void {
    this.#encoder.kill("SIGKILL");
    this.#socket.close();
  }
}

export class Werift {
  // RTP packets that came, by kind.
  readonly received: Record<string, number> = { audio: 0, video: 0 };
  readonly #connection: RTCPeerConnection;
  readonly #session: string;
  readonly #films: Film[];

  private constructor(peer: RTCPeerConnection, session: string, films: Film[]) {
    this.#connection = peer;
    this.#session = session;
    this.#films = films;
  }

  static async publishes(hall: Hall, room: string, name: string): Promise<Werift> {
    const peer = connection();
    const [audio, video] = [new MediaStreamTrack({ kind: "audio" }), new MediaStreamTrack({ kind: "video" })];
    for (const track of [audio, video]) peer.addTransceiver(track, { direction: "sendonly" });
    const session = await exchange(hall, `/whip/${room}?peer=${name}`, peer);
    const films = [
      await Film.play(["-i", "sine=frequency=440"], ["-c:a", "libopus", "-ac", "2"], (it) =>
        audio.writeRtp(it),
      ),
      await Film.play(
        ["-i", "testsrc=size=320x240:rate=15"],
        ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k", "-g", "15"],
        (it) => video.writeRtp(it),
      ),
    ];
    return new Werift(peer, session, films);
  }

  static async plays(hall: Hall, path: string): Promise<Werift> {
    const peer = connection();
    const received: Record<string, number> = { audio: 0, video: 0 };
    peer.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe(() => {
        received[track.kind] = (received[track.kind] ?? 0) + 1;
      });
    });
    for (const kind of ["audio", "video"] as const) peer.addTransceiver(kind, { direction: "recvonly" });
    const made = new Werift(peer, await exchange(hall, path, peer), []);
    Object.defineProperty(made, "received", { value: received });
    return made;
  }

  get state(): string {
    return this.#connection.connectionState;
  }

  // The status of the session's end.
  async ends(): Promise<number> {
    for (const film of this.#films) film.stop();
    const answer = await fetch(this.#session, { method: "DELETE" });
    await this.#connection.close();
    return answer.status;
  }
}

// Gives the session's URL.
async function exchange(hall: Hall, path: string, peer: RTCPeerConnection): Promise<string> {
  await peer.setLocalDescription(await peer.createOffer());
  const response = await fetch(`${hall.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/sdp" },
    body: peer.localDescription?.sdp,
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${path}: ${response.status} ${answer}`);
  await peer.setRemoteDescription({ type: "answer", sdp: answer });
  return new URL(response.headers.get("location") ?? "", hall.url).href;
}
