// Which layers of a picture are worth receiving, from the size it is shown at.

export interface Layers {
  spatial: number;
  temporal: number;
}

// How many layers a received picture comes in. One of each: there is nothing to choose.
export interface LayerCount {
  spatial: number;
  temporal: number;
}

// The place of a picture on the page, in CSS pixels. Nothing is asked for what has no place.
export interface Place {
  width: number;
  height: number;
  // The one that is looked at: pinned, a screen, or the dominant speaker.
  staged: boolean;
}

export interface Wish {
  // Nobody sees it: not a packet of it is worth its way.
  paused: boolean;
  // Undefined: all there is.
  layers: Layers | undefined;
  priority: number;
}

export interface Watched {
  count: LayerCount;
  // Height of the highest layer, as far as it is known.
  top: number | undefined;
  // The spatial layer wished so far.
  wished: number | undefined;
}

// What cameras are asked for. Holds until a picture has shown how tall the highest layer really is.
const ASSUMED_TOP = 720;

// Pictures are stretched to fill their tile; by so much a face may be enlarged before the next layer is asked for. The
// layers are a factor of two apart, so a tile half way between two of them (on a logarithmic scale, 1.41) gets the lower.
const ENLARGED = 1.4;

// To go down again, a picture has to fit better than that: a window being resized would flicker between two layers.
const ENLARGED_BEFORE_LESS = 1.2;

// On the stage nothing is enlarged that exists larger.
const ENLARGED_ON_STAGE = 1;

// The weight of what is looked at against everything else, whose priority is the default of 1. What the allocator
// makes of it: the staged picture reaches its layers before the others get their second.
export const STAGED_PRIORITY = 10;
export const PRIORITY = 1;

const WIDE = 16 / 9;

export function wish(place: Place | undefined, pixelRatio: number, watched: Watched): Wish {
  const priority = place?.staged ? STAGED_PRIORITY : PRIORITY;
  const pixels = place ? neededHeight(place) * pixelRatio : 0;
  const { spatial, temporal } = watched.count;
  const paused = pixels <= 0;
  if (spatial <= 1 && temporal <= 1) return { paused, layers: undefined, priority };
  // What comes back is likely to be what it was.
  const wanted = paused ? (watched.wished ?? 0) : spatialLayer(pixels, place?.staged === true, watched);
  return { paused, layers: { spatial: wanted, temporal: Math.max(0, temporal - 1) }, priority };
}

// Lines that a wide picture needs to cover its place.
function neededHeight({ width, height }: Place): number {
  return width > 0 && height > 0 ? Math.max(height, width / WIDE) : 0;
}

function spatialLayer(pixels: number, staged: boolean, { count, top, wished }: Watched): number {
  const highest = count.spatial - 1;
  for (let layer = 0; layer < highest; layer += 1) {
    const lines = (top ?? ASSUMED_TOP) / 2 ** (highest - layer);
    const less = wished !== undefined && layer < wished;
    const enlarged = staged ? ENLARGED_ON_STAGE : less ? ENLARGED_BEFORE_LESS : ENLARGED;
    if (lines * enlarged >= pixels) return layer;
  }
  return highest;
}

// Learns how tall the highest layer of a picture is from pairs of layer and picture. A picture is on its way for a
// while after its layer was announced, so only what was seen twice in a row counts.
export class TopHeight {
  #last: { spatial: number; height: number } | undefined;
  #top: number | undefined;

  get value(): number | undefined {
    return this.#top;
  }

  // True if this taught something new.
  look(spatial: number, count: LayerCount, height: number): boolean {
    const last = this.#last;
    this.#last = { spatial, height };
    if (height <= 0 || last?.spatial !== spatial || last.height !== height) return false;
    const top = height * 2 ** Math.max(0, count.spatial - 1 - spatial);
    if (top === this.#top) return false;
    this.#top = top;
    return true;
  }
}
