// The microphone, camera and screen of this page: switched on and off, in the lobby as in the meeting.

import { listDevices, openCamera, openMic, openScreen, watchDevices } from "@plenum/client";
import type { State } from "../store/state";
import { notice, type Store } from "../store/store";
import { remember, remembered } from "../util/identity";
import { deviceProblem, type Source } from "./problems";

export class LocalMedia {
  readonly #store: Store;
  readonly #changed: (source: Source) => void;
  readonly #unwatch: () => void;

  // `changed` is told after every change of what is to be sent.
  constructor(store: Store, changed: (source: Source) => void) {
    this.#store = store;
    this.#changed = changed;
    store.setState({ micId: remembered("mic"), cameraId: remembered("camera") });
    this.#unwatch = watchDevices(() => void this.refreshDevices());
  }

  // Asks for both devices, each for itself: a refused camera does not take the microphone with it.
  async start({ mic, camera }: { mic: boolean; camera: boolean }): Promise<void> {
    if (mic) await this.setMic(true);
    if (camera) await this.setCamera(true);
  }

  async refreshDevices(): Promise<void> {
    this.#store.setState({ devices: await listDevices() });
  }

  async setMic(on: boolean): Promise<void> {
    const { mic, micId } = this.#store.getState();
    if (mic.busy || mic.on === on) return;
    if (mic.track) {
      // Kept while muted, so that unmuting is instant.
      mic.track.enabled = on;
      this.#patch("mic", { on });
      this.#announce(on ? "Microphone on" : "Microphone muted");
      this.#changed("mic");
    } else if (on) {
      await this.#open("mic", () => openMic({ deviceId: micId }));
    }
  }

  async setCamera(on: boolean): Promise<void> {
    const { camera, cameraId } = this.#store.getState();
    if (camera.busy || camera.on === on) return;
    if (on) {
      await this.#open("camera", () => openCamera({ deviceId: cameraId }));
    } else {
      // Stopped, not paused: the lamp beside the lens has to go out.
      this.#drop("camera");
      this.#announce("Camera off");
    }
  }

  async setScreen(on: boolean): Promise<void> {
    const { screen } = this.#store.getState();
    if (screen.busy || screen.on === on) return;
    if (!on) {
      screen.audio?.stop();
      this.#drop("screen");
      this.#announce("Screen no longer shared");
      return;
    }
    await this.#open("screen", async () => {
      const { video, audio } = await openScreen();
      this.#store.setState((state) => ({ screen: { ...state.screen, audio } }));
      return video;
    });
  }

  async choose(source: "mic" | "camera", id: string): Promise<void> {
    remember(source, id);
    this.#store.setState(source === "mic" ? { micId: id } : { cameraId: id });
    const { on, track } = this.#store.getState()[source];
    if (!track) return;
    const open = source === "mic" ? () => openMic({ deviceId: id }) : () => openCamera({ deviceId: id });
    await this.#open(source, open, track);
    const replaced = this.#store.getState().mic;
    if (source === "mic" && !on && replaced.track) {
      replaced.track.enabled = false;
      this.#patch("mic", { on: false });
      this.#changed("mic");
    }
  }

  stopScreen(): void {
    void this.setScreen(false);
  }

  dispose(): void {
    this.#unwatch();
    for (const source of ["mic", "camera", "screen"] as const) this.#store.getState()[source].track?.stop();
    this.#store.getState().screen.audio?.stop();
  }

  async #open(source: Source, open: () => Promise<MediaStreamTrack>, old?: MediaStreamTrack): Promise<void> {
    this.#patch(source, { busy: true });
    try {
      const track = await open();
      old?.stop();
      track.addEventListener("ended", () => this.#ended(source, track));
      this.#patch(source, { track, on: true, busy: false });
      this.#announce({ mic: "Microphone on", camera: "Camera on", screen: "You share your screen" }[source]);
      this.#changed(source);
    } catch (error) {
      this.#patch(source, { busy: false });
      const problem = deviceProblem(source, error);
      if (problem) notice(this.#store, "error", problem);
    }
    await this.refreshDevices();
  }

  // Unplugged, permission withdrawn, or "stop sharing" pressed in the browser's own bar.
  #ended(source: Source, track: MediaStreamTrack): void {
    if (this.#store.getState()[source].track !== track) return;
    this.#drop(source);
    if (source === "screen") this.#announce("Screen no longer shared");
    else {
      const noun = source === "mic" ? "microphone" : "camera";
      notice(this.#store, "error", {
        title: `The ${noun} went away`,
        hint: "It was unplugged, or its permission was taken back.",
      });
    }
  }

  #drop(source: Source): void {
    this.#store.getState()[source].track?.stop();
    this.#patch(source, { track: undefined, on: false, busy: false });
    if (source === "screen")
      this.#store.setState((state) => ({ screen: { ...state.screen, audio: undefined } }));
    this.#changed(source);
  }

  #patch(source: Source, change: Partial<State["mic"]>): void {
    this.#store.setState((state) => ({ [source]: { ...state[source], ...change } }));
  }

  #announce(announcement: string): void {
    this.#store.setState({ announcement });
  }
}
