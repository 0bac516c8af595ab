/** From values to pixels, and where the marks of an axis go. */

export interface Axis {
  /** Pixel of a value; values outside are put on the border. */
  place(value: number): number;
  /** Values worth a mark, ascending. */
  readonly ticks: readonly number[];
}

const TICKS_WANTED = 5;

/** From 0 to a round number above `highest`. */
export function linearAxis(highest: number, pixels: readonly [number, number]): Axis {
  const step = roundStep(Math.max(highest, 1e-9) / TICKS_WANTED);
  const top = Math.ceil(highest / step + 1e-9) * step;
  const count = Math.round(top / step);
  const ticks = Array.from({ length: count + 1 }, (_none, index) => index * step);
  return { ticks, place: (value) => interpolate(value / top, pixels) };
}

/** Whole decades around the values, which are above 0. */
export function logAxis(lowest: number, highest: number, pixels: readonly [number, number]): Axis {
  const bottom = Math.floor(Math.log10(lowest) + 1e-9);
  const top = Math.max(bottom + 1, Math.ceil(Math.log10(highest) - 1e-9));
  const ticks = Array.from({ length: top - bottom + 1 }, (_none, index) => 10 ** (bottom + index));
  const place = (value: number) =>
    interpolate((Math.log10(Math.max(value, 10 ** bottom)) - bottom) / (top - bottom), pixels);
  return { ticks, place };
}

/** 1, 2 or 5 times a power of ten, at least `step`. */
function roundStep(step: number): number {
  const decade = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * decade >= step * (1 - 1e-9)) ?? 10;
  return factor * decade;
}

function interpolate(share: number, [from, to]: readonly [number, number]): number {
  return from + (to - from) * Math.min(1, Math.max(0, share));
}
