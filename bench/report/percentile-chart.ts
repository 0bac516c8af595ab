/**
 * Latency by percentile. The x axis is logarithmic in how rare a latency is (90 %, 99 %, 99.9 % are
 * equally far apart), the y axis logarithmic in time: a tail that an average hides takes up most of
 * the picture.
 */

import { CURVE_PERCENTS } from "../load/latency.ts";
import { showMicros } from "../statistics.ts";
import { type Axis, logAxis } from "./axis.ts";
import { SvgCanvas } from "./svg.ts";

export interface Curve {
  readonly name: string;
  readonly color: string;
  /** Microseconds at each of CURVE_PERCENTS. */
  readonly micros: readonly number[];
}

const WIDTH = 760;
const HEIGHT = 400;
const TOP = 64;
const BOTTOM = 44;
const LEFT = 76;
const RIGHT = 44;
const GRID = "#e5e7eb";
const MARKS: readonly number[] = [0, 50, 90, 99, 99.9, 99.99, 99.999];
/** Rarity of the rightmost mark: one in 100,000. */
const RAREST = 1e5;

/** `note` says how the load was made. */
export function drawPercentiles(title: string, note: string, curves: readonly Curve[]): string {
  const canvas = new SvgCanvas(WIDTH, HEIGHT);
  const values = curves.flatMap((curve) => curve.micros).filter((micros) => micros > 0);
  const y = logAxis(Math.min(...values, 1e6), Math.max(...values, 1), [HEIGHT - BOTTOM, TOP]);
  canvas.text([16, 24], title, { size: 15, isBold: true });
  canvas.text([WIDTH - 16, HEIGHT - 8], note, { anchor: "end", size: 11, color: "#6b7280" });
  drawGrid(canvas, y);
  for (const [index, curve] of curves.entries()) drawCurve(canvas, y, curve, index);
  return canvas.toString();
}

function placeX(percent: number): number {
  const rarity = Math.min(RAREST, 100 / Math.max(100 - percent, 1e-9));
  const share = Math.log10(rarity) / Math.log10(RAREST);
  return LEFT + share * (WIDTH - LEFT - RIGHT);
}

function drawGrid(canvas: SvgCanvas, y: Axis): void {
  for (const percent of MARKS) {
    const x = placeX(percent);
    canvas.line([x, TOP], [x, HEIGHT - BOTTOM], GRID);
    canvas.text([x, HEIGHT - BOTTOM + 16], `${percent} %`, { anchor: "middle", size: 11 });
  }
  for (const tick of y.ticks) {
    const at = y.place(tick);
    canvas.line([LEFT, at], [WIDTH - RIGHT, at], GRID);
    const label = showMicros(tick).replace(/\.0+(?= )/, "");
    canvas.text([LEFT - 8, at + 4], label, { anchor: "end", size: 11 });
  }
}

function drawCurve(canvas: SvgCanvas, y: Axis, curve: Curve, index: number): void {
  // 100 % has no place on this axis: the maximum is in the tables.
  const points = CURVE_PERCENTS.flatMap((percent, at) => {
    const micros = curve.micros[at];
    if (micros === undefined || percent === 100) return [];
    return [[placeX(percent), y.place(Math.max(micros, 1))] as const];
  });
  canvas.path(points, curve.color);
  const x = 16 + index * 190;
  canvas.rectangle({ x, y: 36, width: 12, height: 12 }, curve.color);
  canvas.text([x + 17, 46], curve.name, { size: 11 });
}
