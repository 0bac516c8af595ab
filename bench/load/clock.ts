/**
 * One clock for all generator processes of a machine: microseconds of CLOCK_MONOTONIC, as a double.
 *
 * `performance.now()` starts at zero in every process; the monotonic clock below it does not, so a
 * time stamp written by one process can be read by another. It is taken this way, and not from
 * hrtime.bigint(), because it allocates nothing.
 */

const MICROS_PER_MILLI = 1000;

const [seconds, nanos] = process.hrtime();
const startMicros = seconds * 1e6 + nanos / 1000 - performance.now() * MICROS_PER_MILLI;

export function nowMicros(): number {
  return performance.now() * MICROS_PER_MILLI + startMicros;
}

/**
 * The time as of the current read from a socket: one look at the clock serves all packets of a
 * read, which arrived together. Module-level, because a generator process has one thread.
 */
export const readClock = { micros: 0 };
