/**
 * One clock for all generator processes of a machine: microseconds of CLOCK_MONOTONIC, as a double.
 *
 * `performance.now()` starts at zero in every process; the monotonic clock below it does not, so a
 * time stamp written by one process can be read by another. It is taken this way, and not from
 * hrtime.bigint(), because it allocates nothing.
 */

const MICROS_PER_MILLI = 1000;

/** A thread may lose its core between two looks at the clock; it seldom does so each time. */
const OFFSET_SAMPLES = 32;

const startMicros = largestOffset();

/**
 * How far `performance.now()` lags behind the monotonic clock, microseconds. Whatever passes
 * between the two looks makes a sample too small, so the largest one is right.
 */
function largestOffset(): number {
  let offset = Number.NEGATIVE_INFINITY;
  for (let sample = 0; sample < OFFSET_SAMPLES; sample += 1) {
    const [seconds, nanos] = process.hrtime();
    const sampled = seconds * 1e6 + nanos / 1000 - performance.now() * MICROS_PER_MILLI;
    offset = Math.max(offset, sampled);
  }
  return offset;
}

export function nowMicros(): number {
  return performance.now() * MICROS_PER_MILLI + startMicros;
}

/**
 * The time as of the current read from a socket: one look at the clock serves all packets of a
 * read, which arrived together. Module-level, because a generator process has one thread.
 */
export const readClock = { micros: 0 };
