// Elements that play tracks.

import { useEffect, useRef, useState } from "react";

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
    video.srcObject = new MediaStream([track]);
    // Muted pictures may always play; an error here only means that the element was replaced meanwhile.
    video.play().catch(() => undefined);
    return () => {
      video.srcObject = null;
    };
  }, [track]);
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
    audio.srcObject = new MediaStream([track]);
    return () => {
      audio.srcObject = null;
    };
  }, [track]);
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
