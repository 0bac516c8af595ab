/**
 * What else ran on this machine: benchmarks on a machine that is not theirs alone need to know how
 * much of it they had. From /proc/stat, all processors together.
 */

import { readFileSync } from "node:fs";

/** USER_HZ = 100 on every Linux that Node runs on. */
const TICK_SECONDS = 0.01;
/** Fields of the first line that are not work: idle, waiting for disks. */
const IDLE_FIELD = 3;
const IO_WAIT_FIELD = 4;
/** Guest time is contained in user time already. */
const COUNTED_FIELDS = 8;

/** Seconds of processor time that anybody used since the machine started; -1 = unknown. */
export function machineBusySeconds(): number {
  let text = "";
  try {
    text = readFileSync("/proc/stat", "latin1");
  } catch {
    // No Linux: -1 tells the caller.
    return -1;
  }
  const fields = (text.split("\n")[0] ?? "")
    .split(/\s+/)
    .slice(1, 1 + COUNTED_FIELDS)
    .map(Number);
  const busy = fields.filter((_ticks, field) => field !== IDLE_FIELD && field !== IO_WAIT_FIELD);
  return busy.reduce((sum, ticks) => sum + ticks, 0) * TICK_SECONDS;
}
