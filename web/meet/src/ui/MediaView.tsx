// Elements that play tracks.

import { type RefObject, useEffect, useRef, useState } from "react";

// A track that takes another's place does so in the same stream: the element shows the last picture until the next one.
function show(element: HTMLMediaElement, track: MediaStreamTrack): void {
  if (!(element.srcObject instanceof MediaStream)) {
    element.srcObject = new MediaStream([track]);
    return;
  }
  const stream = element.srcObject;
  stream.addTrack(track);
  for (const other of stream.getTracks()) if (other !== track) stream.removeTrack(other);
}

// Leaves nothing playing behind.
function release(ref: RefObject<HTMLMediaElement | null>): () => void {
  const element = ref.current;
  return () => {
    if (element) element.srcObject = null;
  };
}

interface VideoProps {
  track: MediaStreamTrack;
  label: string;
  mirrored?: boolean;
  // Whole picture instead of a filled tile.
  whole?: boolean;
}

export function VideoView({ track, label, mirrored = false, whole = false }: VideoProps) {
  const ref = useRef<HTMLVideoElement>(null);
  const [upright, setUpright] = useState(false);
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    show(video, track);
    // Muted pictures may always play; an error here only means that the element was replaced meanwhile.
    video.play().catch(() => undefined);
  }, [track]);
  useEffect(() => release(ref), []);
  return (
    <video
      ref={ref}
      autoPlay
      muted
      playsInline
      disablePictureInPicture={mirrored}
      aria-label={label}
      onResize={({ currentTarget: { videoWidth, videoHeight } }) => setUpright(videoHeight > videoWidth)}
      className={`absolute inset-0 size-full ${whole || upright ? "object-contain" : "object-cover"} ${mirrored ? "-scale-x-100" : ""}`}
    />
  );
}

interface AudioProps {
  track: MediaStreamTrack;
  blocked: boolean;
  onBlocked: (blocked: boolean) => void;
}

export function AudioView({ track, blocked, onBlocked }: AudioProps) {
  const ref = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = ref.current;
    if (!audio) return;
    show(audio, track);
  }, [track]);
  useEffect(() => release(ref), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new track and the end of the blockade both mean: try.
  useEffect(() => {
    if (blocked) return;
    ref.current?.play().catch((error: DOMException) => {
      if (error.name === "NotAllowedError") onBlocked(true);
    });
  }, [track, blocked, onBlocked]);
  // biome-ignore lint/a11y/useMediaCaption: live speech comes without captions.
  return <audio ref={ref} />;
}
