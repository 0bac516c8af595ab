/** CPU time of another process, all threads, from Linux' /proc. */

import { readFileSync } from "node:fs";

/** /proc counts in ticks of 10 ms on every Linux that Node runs on (USER_HZ = 100). */
const TICK_MICROS = 10_000;
/** In /proc/PID/stat, counted from the field after the command name, which may hold spaces. */
const USER_TICKS_FIELD = 11;
const SYSTEM_TICKS_FIELD = 12;

/** User plus system time in microseconds; -1 where the process or /proc is not there. */
export function processCpuMicros(pid: number): number {
  const fields = statFields(pid);
  if (fields.length <= SYSTEM_TICKS_FIELD) return -1;
  return (Number(fields[USER_TICKS_FIELD]) + Number(fields[SYSTEM_TICKS_FIELD])) * TICK_MICROS;
}

/** Resident memory in bytes; -1 where the process or /proc is not there. */
export function processResidentBytes(pid: number): number {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return match === null ? -1 : Number(match[1]) * 1024;
  } catch {
    return -1;
  }
}

function statFields(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}
