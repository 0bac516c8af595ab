/** Size of the stores' files and of what is live in them, over the minutes of a soak. */

import { type Axis, linearAxis } from "../report/axis.ts";
import { SvgCanvas } from "../report/svg.ts";
import type { SoakPoint } from "./soak-totals.ts";

const WIDTH = 760;
const HEIGHT = 320;
const LEFT = 76;
const RIGHT = 24;
const TOP = 56;
const BOTTOM = 44;
const MIB = 1024 * 1024;
const GRID = "#e5e7eb";
const FILE_COLOR = "#b45309";
const LIVE_COLOR = "#2563eb";

export function drawSoak(points: readonly SoakPoint[]): string {
  const canvas = new SvgCanvas(WIDTH, HEIGHT);
  const highest = Math.max(1, ...points.map(({ fileBytes }) => fileBytes / MIB));
  const y = linearAxis(highest, [HEIGHT - BOTTOM, TOP]);
  const x = linearAxis(points.at(-1)?.second ?? 1, [LEFT, WIDTH - RIGHT]);
  canvas.text([16, 24], "Store files under load, killed again and again", {
    size: 15,
    isBold: true,
  });
  drawGrid(canvas, x, y);
  const line = (bytesOf: (point: SoakPoint) => number, color: string) =>
    canvas.path(
      points.map((point) => [x.place(point.second), y.place(bytesOf(point) / MIB)]),
      color,
    );
  line(({ fileBytes }) => fileBytes, FILE_COLOR);
  line(({ liveBytes }) => liveBytes, LIVE_COLOR);
  canvas.text([LEFT, 44], "file", { color: FILE_COLOR, isBold: true });
  canvas.text([LEFT + 48, 44], "live", { color: LIVE_COLOR, isBold: true });
  return canvas.toString();
}

function drawGrid(canvas: SvgCanvas, x: Axis, y: Axis): void {
  for (const tick of y.ticks) {
    const at = y.place(tick);
    canvas.line([LEFT, at], [WIDTH - RIGHT, at], GRID);
    canvas.text([LEFT - 8, at + 4], `${tick} MiB`, { anchor: "end", size: 11 });
  }
  for (const tick of x.ticks) {
    canvas.text([x.place(tick), HEIGHT - BOTTOM + 16], `${tick} s`, { anchor: "middle", size: 11 });
  }
}
