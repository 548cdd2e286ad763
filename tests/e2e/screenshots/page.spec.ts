import type { Server } from "node:http";
import { type Page, test } from "@playwright/test";
import { servePage } from "../support/static";

const OUT = new URL("../../../test-results/screenshots/", import.meta.url).pathname;

const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

const NAMES = [
  "Amara Okafor",
  "Jonas Weber",
  "Mei Lin",
  "Sofia Rossi",
  "Tariq Aziz",
  "Ingrid Dahl",
  "Pavel Novák",
  "Lucía Fernández",
  "Kenji Sato",
  "Noor",
  "Oluwaseun Adebayo-Williams",
  "Ana",
  "Viktor",
  "Chloé Martin",
  "Rahul",
];

let server: Server;
let url: string;

test.beforeAll(async () => {
  ({ server, url } = await servePage());
});

test.afterAll(() => server.close());

interface Scene {
  people: number;
  screen?: boolean;
  stats?: boolean;
  // Has the floor.
  dominant?: string;
  link?: "down" | "weak";
  help?: boolean;
  notice?: boolean;
  // "closed": lines have come that nobody has seen.
  chat?: "open" | "closed" | "empty";
  ended?: boolean;
  // At the door of a room with a lobby.
  waiting?: boolean;
  // A host's page: the list of people, or somebody at the door.
  host?: "people" | "knock" | "menu";
}

// Puts the page into a meeting by writing its state, with drawn people instead of received ones.
async function stage(page: Page, scene: Scene): Promise<void> {
  await page.evaluate(
    ({ scene, names }) => {
      interface Meeting {
        store: { getState(): Record<string, never>; setState(state: object): void };
      }
      const { store } = (window as unknown as { plenum: Meeting }).plenum;
      const draw = (seed: number, width = 640, height = 360, screen = false): MediaStreamTrack => {
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const paint = canvas.getContext("2d") as CanvasRenderingContext2D;
        const light = (l: number): string => `hsl(${seed * 47} 28% ${l}%)`;
        const frame = (): void => {
          if (screen) {
            paint.fillStyle = "#f6f5f0";
            paint.fillRect(0, 0, width, height);
            paint.fillStyle = "#1c2b30";
            paint.font = "600 44px sans-serif";
            paint.fillText("Quarterly attendance", 60, 100);
            for (let i = 0; i < 12; i += 1) {
              paint.fillStyle = i === 9 ? "#7fae00" : "#c8d2cf";
              const tall = 120 + 220 * Math.abs(Math.sin(i * 1.7));
              paint.fillRect(60 + i * 95, height - 80 - tall, 60, tall);
            }
            return;
          }
          const gradient = paint.createLinearGradient(0, 0, width, height);
          gradient.addColorStop(0, light(58));
          gradient.addColorStop(1, light(22));
          paint.fillStyle = gradient;
          paint.fillRect(0, 0, width, height);
          paint.fillStyle = light(14);
          paint.beginPath();
          paint.ellipse(width / 2, height * 1.06, width * 0.27, height * 0.42, 0, 0, 7);
          paint.fill();
          paint.fillStyle = `hsl(${20 + (seed % 4) * 6} 38% ${38 + (seed % 5) * 9}%)`;
          paint.beginPath();
          paint.ellipse(width / 2, height * 0.44, height * 0.17, height * 0.22, 0, 0, 7);
          paint.fill();
        };
        frame();
        setInterval(frame, 100);
        return canvas.captureStream(10).getVideoTracks()[0] as MediaStreamTrack;
      };
      const sound = (): MediaStreamTrack =>
        new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0] as MediaStreamTrack;
      const peers = names.slice(0, scene.people).map((name, index) => ({
        id: `peer${index}`,
        name,
        role: scene.host && index % 3 === 2 ? "listener" : "speaker",
        hand: scene.host !== undefined && index === 1,
      }));
      const media: Record<string, object> = {};
      const stats = new Map<string, object>();
      peers.forEach(({ id }, index) => {
        if (index % 4 !== 3) {
          const track = draw(index + 1);
          const layers = { spatial: scene.dominant && scene.dominant !== id ? 0 : 2, temporal: 2 };
          media[`${id}v`] = {
            id: `${id}v`,
            peerId: id,
            source: "camera",
            track,
            paused: false,
            count: { spatial: 3, temporal: 3 },
            layers,
            preferred: layers,
            unwatched: false,
            score: 10,
          };
          stats.set(track.id, {
            kind: "video",
            codec: "VP8",
            width: 320 * 2 ** layers.spatial,
            height: 180 * 2 ** layers.spatial,
            fps: 30,
            bitrate: 140_000 + 320_000 * layers.spatial ** 2,
            loss: 0.2,
            level: 0,
            frames: 900,
            freezes: 0,
            layers: [],
          });
        }
        const track = sound();
        media[`${id}a`] = {
          id: `${id}a`,
          peerId: id,
          source: "mic",
          track,
          paused: index % 3 === 1,
          count: { spatial: 1, temporal: 1 },
        };
        stats.set(track.id, {
          kind: "audio",
          codec: "opus",
          width: 0,
          height: 0,
          fps: 0,
          bitrate: 38_000,
          loss: 0,
          level: 0.2,
          frames: 0,
          freezes: 0,
          layers: [],
        });
      });
      if (scene.screen) {
        const track = draw(0, 1280, 720, true);
        const count = { spatial: 1, temporal: 1 };
        media.s = { id: "s", peerId: "peer0", source: "screen", track, paused: false, count };
      }
      const me = { id: "me", name: "Robin Hale" };
      const chat = (kind: string | undefined, all: { id: string; name: string }[]): object => {
        const written: [number, string][] = [
          [0, "Good morning! Can everybody see the agenda?"],
          [2, "Yes, all fine here."],
          [2, "The second page is a bit small, though."],
          [-1, "I have put it at https://example.org/minutes/2026-11-21/quiet-forum"],
          [1, "Thanks 👍"],
          [-1, "@bot are you there?"],
          [-2, 'Robin Hale said me: "are you there?"'],
          [0, "Then let us begin. We have three points today and want to be done by eleven."],
          [-1, "On my way."],
        ];
        const at = new Date(2026, 10, 21, 9, 30).getTime();
        const lines = written.map(([who, text], index) => ({
          id: index,
          peerId: who === -1 ? me.id : all[who]?.id,
          name: who === -1 ? me.name : (all[who]?.name ?? "Bot"),
          text,
          at: at + index * 20_000,
          toBot: false,
          waiting: index === written.length - 1,
        }));
        const open = kind === "open" || kind === "empty";
        return {
          lines: kind === undefined || kind === "empty" ? [] : lines,
          open,
          unread: kind === "closed" ? 3 : 0,
          usable: "yes",
        };
      };
      const camera = draw(11);
      stats.set(camera.id, {
        kind: "video",
        codec: "VP8",
        width: 1280,
        height: 720,
        fps: 30,
        bitrate: 640_000,
        loss: 0,
        level: 0,
        frames: 0,
        freezes: 0,
        layers: ["r2 off", "r1 360p", "r0 180p"],
      });
      store.setState({
        phase: scene.ended ? "ended" : scene.waiting ? "waiting" : "live",
        ended: { title: "You are out of the meeting", hint: "The server says: the room was closed." },
        room: "quiet-forum-42",
        me,
        peers,
        self: {
          role: scene.host ? "host" : "speaker",
          hand: false,
          host: scene.host !== undefined,
          may: new Set(["audio", "video", "screen", "data"]),
        },
        facts: {
          title: scene.host ? "Weekly review" : "",
          locked: scene.host === "menu",
          lobby: scene.host !== undefined,
          maxPeers: undefined,
        },
        knocks: scene.host ? [{ id: "late", name: "Grace Hopper" }] : [],
        people: scene.host === "people",
        media,
        stats,
        camera: { track: camera, on: true, busy: false },
        speaking: new Set([scene.dominant ?? "peer0"]),
        volumes: new Map([
          [scene.dominant ?? "peer0", 0.85],
          ["peer3", 0.15],
        ]),
        chat: chat(scene.chat, peers),
        dominant: scene.dominant,
        statsShown: scene.stats ?? false,
        help: scene.help ?? false,
        link: { state: scene.link ?? "up", attempt: 2, retryAt: Date.now() + 4000 },
        notices: scene.notice
          ? [
              {
                id: 1,
                tone: "error",
                title: "No permission to use the camera",
                hint: "Allow it through the icon beside the address of this page, then switch the camera on again.",
              },
              { id: 2, tone: "info", title: "Link copied", hint: "Send it to whoever should come." },
            ]
          : [],
      });
    },
    { scene, names: NAMES },
  );
}

// Until every picture on the page has been drawn once and nothing moves into place any more.
async function settle(page: Page): Promise<void> {
  await page.waitForFunction(
    () =>
      [...document.querySelectorAll("video")].every((video) => video.readyState >= 2) &&
      document.getAnimations().every(({ playState, effect }) => {
        const endless = effect?.getTiming().iterations === Number.POSITIVE_INFINITY;
        return endless || playState === "finished" || playState === "idle";
      }),
  );
}

for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
  test(`lobby on ${device}`, async ({ page }) => {
    await page.setViewportSize(viewport);
    await page.goto(`${url}?room=quiet-forum-42&name=Robin%20Hale`);
    await page.locator("video").waitFor();
    await settle(page);
    await page.screenshot({ path: `${OUT}lobby-${device}.png` });
    await page.evaluate(() =>
      (window as unknown as { plenum: { toggleCamera(): void } }).plenum.toggleCamera(),
    );
    await page.locator("video").waitFor({ state: "detached" });
    await page.screenshot({ path: `${OUT}lobby-no-camera-${device}.png` });
  });

  const scenes: Record<string, Scene> = {
    alone: { people: 0 },
    two: { people: 1 },
    four: { people: 3 },
    nine: { people: 8, stats: device === "desktop" },
    sixteen: { people: 15 },
    screen: { people: 5, screen: true },
    speaker: { people: 4, dominant: "peer2", stats: device === "desktop" },
    reconnecting: { people: 3, link: "down" },
    notices: { people: 4, notice: true },
    help: { people: 2, help: true },
    chat: { people: 5, chat: "open" },
    "chat-empty": { people: 1, chat: "empty" },
    unread: { people: 4, chat: "closed", dominant: "peer1" },
    ended: { people: 0, ended: true },
    waiting: { people: 0, waiting: true },
    people: { people: 6, host: "people" },
    knock: { people: 5, host: "knock" },
    menu: { people: 3, host: "menu" },
  };
  for (const [name, scene] of Object.entries(scenes)) {
    test(`${name} on ${device}`, async ({ page }) => {
      await page.setViewportSize(viewport);
      await page.goto(`${url}?room=quiet-forum-42&name=Robin%20Hale`);
      await page.locator("video").waitFor();
      await stage(page, scene);
      if (scene.host === "menu")
        await page.getByRole("button", { name: "What to do with Amara Okafor" }).click();
      await settle(page);
      await page.screenshot({ path: `${OUT}${name}-${device}.png` });
    });
  }
}
