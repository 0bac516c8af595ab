/** Knobs of the anti-entropy between nodes; times in milliseconds. */

import { assert } from "../base/assert.ts";

export interface AntiEntropyParameters {
  /** Changes are gathered for this long before they leave as one delta. */
  readonly batchIntervalMs: number;
  /** Values in one delta. */
  readonly entriesMax: number;
  /** Bytes of these values, roughly; a larger value goes alone. */
  readonly deltaBytesMax: number;
  /** A delta or probe without an answer is sent again after this, times the attempts so far ... */
  readonly resendMs: number;
  /** ... but after no more than this. */
  readonly resendMaxMs: number;
  /** Then the delta is given up; the next comparison finds what is missing. */
  readonly attemptsMax: number;
  /** Pause between two comparisons with a neighbour. */
  readonly probeIntervalMs: number;
  /** An ended life is remembered for this long. */
  readonly retentionMs: number;
}

/**
 * BifroMQ's values, except for half its batching delay, a limit in bytes, and a day's memory of
 * ended lives.
 */
export const ANTI_ENTROPY_DEFAULTS: AntiEntropyParameters = {
  batchIntervalMs: 100,
  entriesMax: 1_024,
  deltaBytesMax: 262_144,
  resendMs: 500,
  resendMaxMs: 2_000,
  attemptsMax: 10,
  probeIntervalMs: 10_000,
  retentionMs: 24 * 3_600_000,
};

/** Without these nothing would ever be told, or a timer ring for ever. */
export function assertAntiEntropyParameters(parameters: AntiEntropyParameters): void {
  const { batchIntervalMs, entriesMax, resendMs, resendMaxMs, attemptsMax } = parameters;
  assert(batchIntervalMs >= 0 && resendMs > 0 && resendMaxMs >= resendMs, "resending takes time");
  assert(entriesMax >= 1 && attemptsMax >= 1, "something is told, at least once");
  assert(parameters.probeIntervalMs > 0 && parameters.retentionMs > 0, "intervals are positive");
}
