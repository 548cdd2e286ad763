// Microphones, cameras and screens of this machine.

export interface DeviceChoice {
  id: string;
  label: string;
}

export interface DeviceList {
  mics: DeviceChoice[];
  cameras: DeviceChoice[];
}

function devices(): MediaDevices {
  // Browsers leave this out on pages that are not served securely.
  if (!navigator.mediaDevices?.getUserMedia) {
    const error = new Error("no access to devices on an insecure page");
    error.name = "InsecureContextError";
    throw error;
  }
  return navigator.mediaDevices;
}

export async function listDevices(): Promise<DeviceList> {
  if (!navigator.mediaDevices?.enumerateDevices) return { mics: [], cameras: [] };
  const all = await navigator.mediaDevices.enumerateDevices();
  return { mics: choices(all, "audioinput", "Microphone"), cameras: choices(all, "videoinput", "Camera") };
}

// Before permission is given, browsers list devices without id or label: those are no choice.
function choices(all: MediaDeviceInfo[], kind: MediaDeviceKind, noun: string): DeviceChoice[] {
  return all
    .filter((device) => device.kind === kind && device.deviceId !== "")
    .map((device, index) => ({ id: device.deviceId, label: device.label || `${noun} ${index + 1}` }));
}

export function watchDevices(changed: () => void): () => void {
  navigator.mediaDevices?.addEventListener?.("devicechange", changed);
  return () => navigator.mediaDevices?.removeEventListener?.("devicechange", changed);
}

export interface MicOptions {
  // Empty: the default one.
  deviceId?: string;
  // As the browser makes speech clear; off for music.
  processing?: boolean;
}

export interface CameraOptions {
  deviceId?: string;
  width?: number;
  height?: number;
  frameRate?: number;
}

export async function openMic({ deviceId, processing = true }: MicOptions = {}): Promise<MediaStreamTrack> {
  const audio: MediaTrackConstraints = {
    echoCancellation: processing,
    noiseSuppression: processing,
    autoGainControl: processing,
    ...wanted(deviceId),
  };
  const stream = await devices().getUserMedia({ audio });
  return first(stream.getAudioTracks(), "microphone");
}

export async function openCamera({
  deviceId,
  width = 1280,
  height = 720,
  frameRate = 30,
}: CameraOptions = {}): Promise<MediaStreamTrack> {
  const video: MediaTrackConstraints = {
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: frameRate },
    ...wanted(deviceId),
  };
  const stream = await devices().getUserMedia({ video });
  return first(stream.getVideoTracks(), "camera");
}

export interface ScreenTracks {
  video: MediaStreamTrack;
  audio: MediaStreamTrack | undefined;
}

export function canShareScreen(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

export async function openScreen(): Promise<ScreenTracks> {
  const stream = await devices().getDisplayMedia({
    video: { frameRate: { ideal: 15, max: 30 } },
    audio: true,
  });
  const video = first(stream.getVideoTracks(), "screen");
  // Shared screens are read: rather fewer frames than blurred letters.
  video.contentHint = "detail";
  return { video, audio: stream.getAudioTracks()[0] };
}

// "Ideal", so that a device that was unplugged since it was chosen gives way to the default one.
function wanted(deviceId: string | undefined): MediaTrackConstraints {
  return deviceId ? { deviceId: { ideal: deviceId } } : {};
}

function first(tracks: MediaStreamTrack[], noun: string): MediaStreamTrack {
  const track = tracks[0];
  if (!track) {
    const error = new Error(`no ${noun}`);
    error.name = "NotFoundError";
    throw error;
  }
  return track;
}
