/** Rows of the four tables as text for a terminal or a report, and as a chart. */

import { drawBars } from "../report/bar-chart.ts";
import { EXPECTED_CRASHES, EXPECTED_HEALINGS, PROFILES } from "./profiles.ts";
import type { CrashRow, HealRow, PeaceRow, Quantiles, SpreadRow } from "./tables.ts";

/** Told apart by everybody, colour-blind readers included (Okabe and Ito). */
const COLORS = ["#d55e00", "#e69f00", "#0072b2"] as const;

function both([middle, most]: Quantiles): string {
  return `${middle.toFixed(1)} / ${most.toFixed(1)}`;
}

function precise([middle, most]: Quantiles): string {
  return `${middle.toFixed(2)} / ${most.toFixed(2)}`;
}

function percent(share: number): string {
  return `${share * 100} %`;
}

export const CRASH_HEAD = [
  "one silent crash, s at p50 / p99",
  "N",
  "runs",
  "loss",
  "suspect",
  "expected",
  "all know",
  "expected",
  "verdict's spread",
  "false deaths",
];

export function crashCells(row: CrashRow): string[] {
  const expected =
    row.lossShare === 0 ? EXPECTED_CRASHES[`${row.profile} ${row.nodes}`] : undefined;
  return [
    row.profile,
    `${row.nodes}`,
    `${row.runs}`,
    percent(row.lossShare),
    both(row.suspect),
    expected === undefined ? "" : both(expected.suspect),
    both(row.allKnow),
    expected === undefined ? "" : both(expected.allKnow),
    precise(row.spread),
    `${row.falseDeaths}`,
  ];
}

export const PEACE_HEAD = [
  "nobody fails; per node",
  "N",
  "loss",
  "node hours",
  "packets/s",
  "bytes/s",
  "stream bytes/s",
  "suspicions/h",
  "false deaths",
];

export function peaceCells(row: PeaceRow): string[] {
  return [
    row.profile,
    `${row.nodes}`,
    percent(row.lossShare),
    row.nodeHours.toFixed(0),
    row.packets.toFixed(1),
    row.packetBytes.toFixed(0),
    row.streamBytes.toFixed(0),
    row.suspicions.toFixed(1),
    `${row.falseDeaths}`,
  ];
}

export const HEAL_HEAD = ["healing of a split, s at p50 / p99", "runs", "measured", "expected"];

export function healCells({ split, runs, seconds }: HealRow): string[] {
  const expected = EXPECTED_HEALINGS[split];
  return [split, `${runs}`, precise(seconds), expected === undefined ? "" : precise(expected)];
}

export const SPREAD_HEAD = ["spread of news, s at p50 / p99", "runs", "join", "leave"];

export function spreadCells({ nodes, runs, join, leave }: SpreadRow): string[] {
  return [`${nodes} members`, `${runs}`, precise(join), precise(leave)];
}

/** Bars at p50 with a whisker to p99; "" without rows. */
export function drawCrashes(rows: readonly CrashRow[]): string {
  const lossless = rows.filter(({ lossShare }) => lossShare === 0);
  if (lossless.length === 0) return "";
  const sizes = [...new Set(lossless.map(({ nodes }) => nodes))];
  return drawBars({
    title: "From a silent crash until every member knows (p50, whisker to p99)",
    unit: "s",
    series: PROFILES.map(({ name }, index) => ({ name, color: COLORS[index]! })),
    groups: sizes.map((nodes) => ({
      label: `${nodes} members`,
      bars: PROFILES.map(({ name }) => {
        const row = lossless.find((each) => each.profile === name && each.nodes === nodes);
        if (row === undefined) return null;
        return { parts: [row.allKnow[0]], spread: row.allKnow, isLowerBound: false };
      }),
    })),
    partNames: [],
  });
}
