/**
 * autocannon in a process of its own: takes an HttpTask as its argument, prints an HttpCounts as
 * one line of JSON.
 *
 * autocannon's own report has whole milliseconds, which is longer than most answers take; each
 * answer's time is recorded here in microseconds instead.
 */

import { LatencyRecorder } from "./latency.ts";

const MICROS_PER_MILLI = 1000;

export interface HttpTask {
  readonly url: string;
  readonly connections: number;
  /** Seconds, whole ones. */
  readonly duration: number;
  /** Requests in flight per connection, where no rate is asked for. */
  readonly pipelining: number;
  /** Requests per second over all connections; 0 = as many as there are answers. */
  readonly overallRate: number;
}

export interface HttpCounts {
  readonly seconds: number;
  readonly requests: number;
  /** Not answered, or not with 2xx. */
  readonly failed: number;
  /** An encoded LatencyHistogram, microseconds. */
  readonly latency: string;
  readonly ownCpuMicros: number;
}

/** The part of autocannon that is used; it comes without type declarations. */
type Autocannon = (
  options: object,
  done: (error: Error | null, result: AutocannonResult) => void,
) => {
  on(
    event: "response",
    take: (client: unknown, status: number, bytes: number, millis: number) => void,
  ): void;
};

interface AutocannonResult {
  readonly duration: number;
  readonly requests: { readonly total: number };
  readonly non2xx: number;
  readonly errors: number;
  readonly timeouts: number;
}

const imported = (await import(import.meta.resolve("autocannon"))) as { default: Autocannon };
const autocannon = imported.default;
const { overallRate, pipelining, ...rest } = JSON.parse(process.argv[2] ?? "{}") as HttpTask;
const latency = new LatencyRecorder();
const before = process.cpuUsage();
const isOpen = overallRate > 0;
/** At a given rate, requests that a late answer kept a connection from sending were late too. */
const intervalMicros = isOpen ? (1e6 * rest.connections) / overallRate : Number.POSITIVE_INFINITY;

const options = isOpen ? { ...rest, overallRate } : { ...rest, pipelining };
const run = autocannon(options, (error, result) => {
  if (error !== null) throw error;
  const { user, system } = process.cpuUsage(before);
  const counts: HttpCounts = {
    seconds: result.duration,
    requests: result.requests.total,
    failed: result.non2xx + result.errors + result.timeouts,
    latency: latency.histogram().encode(),
    ownCpuMicros: user + system,
  };
  console.log(JSON.stringify(counts));
});
run.on("response", (_client, _status, _bytes, millis) => {
  const micros = millis * MICROS_PER_MILLI;
  latency.record(micros);
  for (let late = micros - intervalMicros; late >= intervalMicros; late -= intervalMicros) {
    latency.record(late);
  }
});
