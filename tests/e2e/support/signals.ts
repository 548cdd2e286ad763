// What a page sends, and how another one recognises it: a picture with the code of its sender, and its own tone.

export interface Signal {
  // Sixteen bits: twelve of the sender, four to check them with.
  code: number;
  // The colour around the code.
  hue: number;
  // Hertz.
  tone: number;
}

const TONE_STEP = 180;
const TONES = 16;

export function signalOf(peer: string, source: "camera" | "screen"): Signal {
  let hash = 2166136261;
  for (const char of `${peer}/${source}`) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619) >>> 0;
  hash = (hash ^ (hash >>> 15)) >>> 0;
  const bits = hash & 0xfff;
  const check = (bits ^ (bits >>> 4) ^ (bits >>> 8) ^ 0b1010) & 0xf;
  // Tones follow the number in the name of the peer, so that no two of a test are alike.
  const seat = Number(/\d+$/.exec(peer)?.[0] ?? 0) % TONES;
  return {
    code: (bits << 4) | check,
    hue: (seat * 67 + (source === "screen" ? 180 : 0)) % 360,
    tone: 420 + seat * TONE_STEP,
  };
}

// The camera's picture. Encoders make next to nothing of a drawn code; detail is what costs them bits.
export interface Picture {
  width: number;
  height: number;
  fps: number;
  // Small squares that change with every frame, in the right margin.
  detail: number;
}

export const PLAIN: Picture = { width: 640, height: 360, fps: 15, detail: 0 };

export interface SenderSetup {
  camera: Signal;
  screen: Signal;
  picture: Picture;
}

// Runs in the page before anything else: devices give drawn pictures and tones from then on.
export function installSender({ camera, screen, picture }: SenderSetup): void {
  const side = 4;
  const draw = (
    { code, hue }: { code: number; hue: number },
    { width, height, fps, detail }: Picture,
  ): MediaStreamTrack => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const paint = canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
    let frame = 0;
    const cell = height / (side + 2);
    const left = (width - side * cell) / 2;
    const right = left + side * cell + 8;
    // As wide in the smallest layer as a pixel or two.
    const grain = width / 80;
    const background = `hsl(${hue} 80% 45%)`;
    paint.fillStyle = background;
    paint.fillRect(0, 0, width, height);
    const step = (): void => {
      frame += 1;
      paint.fillStyle = background;
      // The margin with the details keeps them, but for those that change.
      paint.fillRect(0, 0, detail > 0 ? right : width, height);
      for (let square = 0; square < detail; square += 1) {
        paint.fillStyle = `hsl(${hue} 80% ${20 + Math.random() * 50}%)`;
        const x = right + Math.random() * (width - right);
        paint.fillRect(x, Math.random() * height, grain, grain);
      }
      for (let bit = 0; bit < side * side; bit += 1) {
        paint.fillStyle = (code >> bit) & 1 ? "#fff" : "#000";
        paint.fillRect(left + (bit % side) * cell, cell + Math.floor(bit / side) * cell, cell + 1, cell + 1);
      }
      // Something that moves: a picture that stands still would hide a stream that does.
      paint.fillStyle = "#fff";
      paint.fillRect((frame * 7) % width, height - cell / 2, cell / 2, cell / 4);
    };
    step();
    setInterval(step, 1000 / fps);
    return canvas.captureStream(fps).getVideoTracks()[0] as MediaStreamTrack;
  };
  const sing = (hertz: number): MediaStreamTrack => {
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context, { frequency: hertz });
    const loudness = new GainNode(context, { gain: 0.22 });
    // As loud and as quiet as syllables in turn: encoders, and whoever looks for speakers, take a steady tone for
    // background noise.
    const tremolo = new OscillatorNode(context, { frequency: 4 });
    const depth = new GainNode(context, { gain: 0.215 });
    const out = new MediaStreamAudioDestinationNode(context);
    tremolo.connect(depth).connect(loudness.gain);
    oscillator.connect(loudness).connect(out);
    oscillator.start();
    tremolo.start();
    return out.stream.getAudioTracks()[0] as MediaStreamTrack;
  };
  const { mediaDevices } = navigator;
  mediaDevices.getUserMedia = async (constraints) => {
    const stream = new MediaStream();
    if (constraints?.audio) stream.addTrack(sing(camera.tone));
    if (constraints?.video) stream.addTrack(draw(camera, picture));
    return stream;
  };
  mediaDevices.getDisplayMedia = async () =>
    new MediaStream([draw(screen, { width: 960, height: 540, fps: 15, detail: 0 })]);
}

export interface Seen {
  code: number;
  hue: number;
}

// Runs in the page: reads the code and the colour from the picture that a video element shows right now.
export function readPicture(video: HTMLVideoElement): Seen | undefined {
  const side = 4;
  const { videoWidth: width, videoHeight: height } = video;
  if (!width || !height || video.readyState < 2) return undefined;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const paint = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  paint.drawImage(video, 0, 0, width, height);
  const at = (x: number, y: number): [number, number, number] => {
    const [r = 0, g = 0, b = 0] = paint.getImageData(Math.round(x), Math.round(y), 1, 1).data;
    return [r, g, b];
  };
  const cell = height / (side + 2);
  const left = (width - side * cell) / 2;
  let code = 0;
  for (let bit = 0; bit < side * side; bit += 1) {
    const [r, g, b] = at(
      left + (bit % side) * cell + cell / 2,
      cell + Math.floor(bit / side) * cell + cell / 2,
    );
    if (r + g + b > 382) code |= 1 << bit;
  }
  const [r, g, b] = at(left / 2, height / 2);
  const max = Math.max(r, g, b);
  const range = max - Math.min(r, g, b) || 1;
  const sector = max === r ? (g - b) / range : max === g ? 2 + (b - r) / range : 4 + (r - g) / range;
  return { code, hue: Math.round((sector * 60 + 360) % 360) };
}

// Runs in the page: the strongest frequency of a track, or 0 if it is silent. Looks for a while, because of the
// tremolo and of packets that come in bursts.
export async function readTone(track: MediaStreamTrack): Promise<number> {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  let best = { level: -70, hertz: 0 };
  for (let look = 0; look < 8; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    analyser.getFloatFrequencyData(bins);
    for (let bin = 10; bin < bins.length; bin += 1) {
      const level = bins[bin] ?? Number.NEGATIVE_INFINITY;
      if (level > best.level) best = { level, hertz: (bin * context.sampleRate) / analyser.fftSize };
    }
  }
  source.disconnect();
  await context.close();
  return best.hertz;
}
