// Rows of seats in a half circle, as in a plenary hall: the sign of the house, and a meter that fills with sound.

import { memo, type Ref } from "react";

export interface Seat {
  x: number;
  y: number;
}

// Seats by row, the innermost first, in a box of 2 × 1 with the speaker's place at (1, 1).
export function seats(rows: number, inner: number): Seat[][] {
  return Array.from({ length: rows }, (_, row) => {
    const radius = inner + ((0.97 - inner) * row) / Math.max(1, rows - 1);
    const count = Math.round(radius * rows * 4.6);
    return Array.from({ length: count }, (_, index) => {
      const angle = Math.PI * (1 - (index + 0.5) / count);
      return { x: 1 + radius * Math.cos(angle), y: 1 - radius * Math.sin(angle) };
    });
  });
}

interface Props {
  rows?: number;
  inner?: number;
  dot?: number;
  className?: string;
  // Rows get their light from outside, through the opacity of the groups.
  ref?: Ref<SVGSVGElement>;
}

export const Hemicycle = memo(function Hemicycle({
  rows = 9,
  inner = 0.26,
  dot = 0.017,
  className,
  ref,
}: Props) {
  return (
    <svg ref={ref} viewBox="0 0 2 1.02" className={className} aria-hidden="true" focusable="false">
      {seats(rows, inner).map((row, index) => (
        <g key={index} fill="currentColor">
          {row.map(({ x, y }) => (
            <circle key={`${x},${y}`} cx={x.toFixed(4)} cy={y.toFixed(4)} r={dot} />
          ))}
        </g>
      ))}
    </svg>
  );
});

export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="3 7 26 19" className={className} aria-hidden="true" focusable="false" fill="currentColor">
      <circle cx="16" cy="23" r="2.3" />
      {[
        [9.2, 21.4],
        [11.9, 17],
        [16, 15.4],
        [20.1, 17],
        [22.8, 21.4],
      ].map(([x, y]) => (
        <circle key={x} cx={x} cy={y} r="1.9" />
      ))}
      <g opacity=".5">
        {[
          [4.6, 18.6],
          [7.4, 13.2],
          [12.2, 10],
          [19.8, 10],
          [24.6, 13.2],
          [27.4, 18.6],
        ].map(([x, y]) => (
          <circle key={x} cx={x} cy={y} r="1.7" />
        ))}
      </g>
    </svg>
  );
}
