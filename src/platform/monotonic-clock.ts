/** A clock that nobody can set, the same for all threads of the process. Thread: any. */

const SECOND_MS = 1000;
const NANOSECOND_MS = 1e-6;

/** Milliseconds with fractions since some moment; allocates nothing per call. */
export function monotonicClock(): () => number {
  // performance.now() counts from the thread's own start, by the clock that hrtime() reads.
  const [seconds, nanoseconds] = process.hrtime();
  const startMs = seconds * SECOND_MS + nanoseconds * NANOSECOND_MS - performance.now();
  return () => startMs + performance.now();
}
