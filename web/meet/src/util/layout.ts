// Where the tiles go.

export interface Box {
  width: number;
  height: number;
}

export interface Rect extends Box {
  x: number;
  y: number;
}

// Faces fit every shape between wide and tall; beyond that the picture is wasted. In a tall area (a phone, a strip at
// the side) they may be taller than wide, in a wide one cameras would lose too much of their sides.
const WIDEST = 16 / 9;
const TALLEST_IN_WIDE = 4 / 3;
const TALLEST_IN_TALL = 4 / 5;

function tallest(area: Box): number {
  return area.width > area.height ? TALLEST_IN_WIDE : TALLEST_IN_TALL;
}

// Places `count` tiles of one size so that they are as large as possible. Rows are centred, the last one too.
export function grid(count: number, area: Box, gap: number): Rect[] {
  if (count <= 0 || area.width <= 0 || area.height <= 0) return [];
  const { columns, tile } = bestGrid(count, area, gap);
  const rows = Math.ceil(count / columns);
  const top = (area.height - rows * tile.height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - columns * (rows - 1) : columns;
    const left = (area.width - inRow * tile.width - (inRow - 1) * gap) / 2;
    return {
      x: Math.round(left + (index % columns) * (tile.width + gap)),
      y: Math.round(top + row * (tile.height + gap)),
      width: Math.floor(tile.width),
      height: Math.floor(tile.height),
    };
  });
}

function bestGrid(count: number, area: Box, gap: number): { columns: number; tile: Box } {
  let best = { columns: 1, tile: { width: 0, height: 0 }, score: -1 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const width = (area.width - (columns - 1) * gap) / columns;
    const height = (area.height - (rows - 1) * gap) / rows;
    if (width <= 0 || height <= 0) continue;
    const tile = fit({ width, height }, tallest(area));
    // Seats that stay empty in the last row count a little against a grid.
    const score = tile.width * tile.height * (1 - 0.01 * (columns * rows - count));
    if (score > best.score) best = { columns, tile, score };
  }
  return best;
}

// The largest shape inside a cell that is neither too wide nor too tall.
function fit({ width, height }: Box, tall: number): Box {
  if (width / height > WIDEST) return { width: height * WIDEST, height };
  if (width / height < tall) return { width, height: width / tall };
  return { width, height };
}

export interface Stage {
  main: Rect;
  others: Rect[];
}

const STRIP_SHARE = 0.22;
const STRIP_MIN = 132;
const STRIP_MAX = 300;

// One large tile, the others in a strip: beside it on wide pages, below it on tall ones.
export function stage(others: number, area: Box, gap: number): Stage {
  if (others === 0) return { main: { x: 0, y: 0, ...area }, others: [] };
  const beside = area.width > area.height * 1.1;
  const length = beside ? area.width : area.height;
  const strip = Math.min(STRIP_MAX, Math.max(STRIP_MIN, length * STRIP_SHARE), length / 2);
  const main = beside
    ? { x: 0, y: 0, width: Math.floor(area.width - strip - gap), height: area.height }
    : { x: 0, y: 0, width: area.width, height: Math.floor(area.height - strip - gap) };
  const origin = beside ? { x: main.width + gap, y: 0 } : { x: 0, y: main.height + gap };
  const room = beside ? { width: strip, height: area.height } : { width: area.width, height: strip };
  const placed = grid(others, room, gap);
  return { main, others: placed.map((one) => ({ ...one, x: one.x + origin.x, y: one.y + origin.y })) };
}
