/**
 * Bars in groups: one group per case, one bar per contender, whiskers from the lowest to the
 * highest round. Bars may be stacked of parts (user and system time).
 */

import { shortNumber } from "../statistics.ts";
import { type Axis, linearAxis, logAxis } from "./axis.ts";
import { SvgCanvas } from "./svg.ts";

export interface Bar {
  /** Stacked from the bottom; one part is a plain bar. */
  readonly parts: readonly number[];
  /** Lowest and highest round; null = no whiskers. */
  readonly spread: readonly [number, number] | null;
  /** ">=" before the label. */
  readonly isLowerBound: boolean;
}

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly { readonly name: string; readonly color: string }[];
  /** One per series: a bar, why there is none, or null where it has no part in the group. */
  readonly groups: readonly {
    readonly label: string;
    readonly bars: readonly (Bar | string | null)[];
  }[];
  /** How parts of a stack are called, from the bottom; [] = not stacked. */
  readonly partNames: readonly string[];
}

const BAR_HEIGHT = 16;
const GROUP_GAP = 12;
const TOP = 64;
const BOTTOM = 30;
/** The least, and of a letter of a label: charts of one report should not differ without need. */
const LEFT = 300;
const LETTER_WIDTH = 6.2;
const RIGHT = 110;
const PLOT_WIDTH = 540;
const GRID = "#e5e7eb";
const INK = "#374151";
const PALE_INK = "#6b7280";
/** Values further apart than this need a logarithmic axis to be seen at all. */
const LINEAR_RANGE = 15;
const SPACED_PART_TINT = 0.55;

export function drawBars(chart: BarChart): string {
  const perGroup = chart.series.length * BAR_HEIGHT + GROUP_GAP;
  const height = TOP + chart.groups.length * perGroup + BOTTOM;
  const left = leftOf(chart);
  const canvas = new SvgCanvas(left + PLOT_WIDTH + RIGHT, height);
  const axis = axisFor(chart, left);
  canvas.text([16, 24], chart.title, { size: 15, isBold: true });
  drawLegend(canvas, chart);
  const unit = axis.ticks[0] === 0 ? chart.unit : `${chart.unit}, log.`;
  drawGrid(canvas, axis, unit, height);
  chart.groups.forEach((group, index) => {
    const top = TOP + index * perGroup + GROUP_GAP / 2;
    const middle = top + (chart.series.length * BAR_HEIGHT) / 2 + 4;
    canvas.text([left - 10, middle], group.label, { anchor: "end", size: 11 });
    group.bars.forEach((bar, series) => {
      const y = top + series * BAR_HEIGHT;
      if (typeof bar === "string") {
        canvas.text([left + 6, y + BAR_HEIGHT / 2 + 3.5], bar, { size: 11, color: PALE_INK });
      } else if (bar !== null) {
        drawBar(canvas, axis, { bar, y, color: chart.series[series]!.color });
      }
    });
  });
  return canvas.toString();
}

/** Where bars begin: right of the longest label. */
function leftOf({ groups }: BarChart): number {
  const letters = Math.max(0, ...groups.map(({ label }) => label.length));
  return Math.max(LEFT, Math.ceil(letters * LETTER_WIDTH) + 20);
}

function isBar(bar: Bar | string | null): bar is Bar {
  return bar !== null && typeof bar !== "string";
}

function totalOf(bar: Bar): number {
  return bar.parts.reduce((sum, part) => sum + part, 0);
}

function axisFor(chart: BarChart, left: number): Axis {
  const bars = chart.groups.flatMap((group) => group.bars.filter(isBar));
  const totals = bars.map(totalOf).filter((total) => total > 0);
  const lowest = Math.min(...totals);
  const highest = Math.max(...totals, ...bars.map((bar) => bar.spread?.[1] ?? 0));
  const pixels = [left, left + PLOT_WIDTH] as const;
  const isStacked = chart.partNames.length > 0;
  if (totals.length === 0) return linearAxis(1, pixels);
  if (!isStacked && highest / lowest > LINEAR_RANGE) return logAxis(lowest / 2, highest, pixels);
  return linearAxis(highest, pixels);
}

function drawLegend(canvas: SvgCanvas, chart: BarChart): void {
  let x = 16;
  for (const { name, color } of chart.series) {
    canvas.rectangle({ x, y: 36, width: 12, height: 12 }, color);
    canvas.text([x + 17, 46], name, { size: 11 });
    x += 34 + name.length * 6.4;
  }
  if (chart.partNames.length === 0) return;
  canvas.text([x, 46], `from the left: ${chart.partNames.join(" (full), ")} (pale)`, { size: 11 });
}

function drawGrid(canvas: SvgCanvas, axis: Axis, unit: string, height: number): void {
  for (const tick of axis.ticks) {
    const x = axis.place(tick);
    canvas.line([x, TOP - 4], [x, height - BOTTOM], GRID);
    const label = tick === 0 ? "0" : shortNumber(tick).replace(/\.0+(?= |$)/, "");
    canvas.text([x, height - BOTTOM + 16], label, { anchor: "middle", size: 11 });
  }
  const corner = axis.place(Number.POSITIVE_INFINITY) + RIGHT - 16;
  canvas.text([corner, TOP - 18], unit, { anchor: "end", size: 11, color: PALE_INK });
}

function drawBar(
  canvas: SvgCanvas,
  axis: Axis,
  { bar, y, color }: { bar: Bar; y: number; color: string },
): void {
  const label = `${bar.isLowerBound ? "≥ " : ""}${shortNumber(totalOf(bar))}`;
  let total = 0;
  bar.parts.forEach((part, index) => {
    const from = axis.place(total);
    total += part;
    const width = axis.place(total) - from;
    const fill = index === 0 ? color : tint(color, SPACED_PART_TINT);
    canvas.rectangle({ x: from, y: y + 1, width, height: BAR_HEIGHT - 3 }, fill, label);
  });
  const middle = y + BAR_HEIGHT / 2 - 0.5;
  let end = axis.place(total);
  if (bar.spread !== null && bar.spread[0] < bar.spread[1]) {
    const [from, to] = bar.spread.map((value) => axis.place(value)) as [number, number];
    canvas.line([from, middle], [to, middle], INK);
    canvas.line([from, middle - 3], [from, middle + 3], INK);
    canvas.line([to, middle - 3], [to, middle + 3], INK);
    end = Math.max(end, to);
  }
  canvas.text([end + 6, middle + 4], label, { size: 11 });
}

/** The colour mixed with white. */
function tint(color: string, share: number): string {
  const parts = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  const mixed = parts.map((part) => Math.round(part + (255 - part) * share));
  return `#${mixed.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}
