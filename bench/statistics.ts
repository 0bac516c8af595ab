/**
 * Figures from repeated runs. On shared cores a median with its spread says more than any single or
 * mean value.
 */

export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  const lower = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  return {
    median: (upper + lower) / 2,
    lowest: sorted[0] ?? Number.NaN,
    highest: sorted[sorted.length - 1] ?? Number.NaN,
  };
}

/** Three digits: 1_234_567 -> "1.23 M", 133_700 -> "134 k", 12.34 -> "12.3", 0.0123 -> "0.01". */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value >= 999_500) return `${threeDigits(value / 1e6)} M`;
  if (value >= 999.5) return `${threeDigits(value / 1e3)} k`;
  return threeDigits(value);
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}

/** "850 us", "12.3 ms", "1.20 s". */
export function showMicros(micros: number): string {
  if (!Number.isFinite(micros)) return "-";
  if (micros < 1000) return `${micros.toFixed(0)} us`;
  if (micros < 1e6) return `${(micros / 1000).toFixed(micros < 1e4 ? 2 : 1)} ms`;
  return `${(micros / 1e6).toFixed(2)} s`;
}

/** "134 k (120 k..151 k)"; a single run has no spread. */
export function showSpread(spread: Spread, show: (value: number) => string = shortNumber): string {
  const median = show(spread.median);
  if (spread.lowest === spread.highest) return median;
  return `${median} (${show(spread.lowest)}..${show(spread.highest)})`;
}

/** Rows of cells as an aligned text table, the first row underlined. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_none, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) => row.map((cell, column) => pad(cell, column, widths)).join("  "));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** The first column is text, the others are figures. */
function pad(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
