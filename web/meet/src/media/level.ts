// The loudness of a local track, for the meter in the lobby.

// 0 is silence, 1 is as loud as it gets. Speech lies around -40 to -10 dBFS, so the scale covers that.
const QUIET_DB = -55;
const LOUD_DB = -8;

export function meter(rms: number): number {
  if (rms <= 0) return 0;
  const db = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, (db - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}

// Calls back once per drawn frame until the returned function is called.
export function watchLevel(track: MediaStreamTrack, changed: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let level = 0;
  let frame = 0;
  const tick = (): void => {
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    const now = meter(Math.sqrt(sum / samples.length));
    // Rises at once, falls slowly: easier on the eye.
    level = now > level ? now : level * 0.88 + now * 0.12;
    changed(level);
    frame = requestAnimationFrame(tick);
  };
  frame = requestAnimationFrame(tick);
  // A page that nobody has touched yet may not start its audio clock.
  const resume = (): void => void context.resume();
  window.addEventListener("pointerdown", resume, { once: true });
  return () => {
    cancelAnimationFrame(frame);
    window.removeEventListener("pointerdown", resume);
    source.disconnect();
    void context.close();
  };
}
