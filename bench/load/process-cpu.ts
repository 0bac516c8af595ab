/**
 * CPU time, memory and threads of another process, from Linux' /proc. Null or -1 where there is
 * none.
 */

import { readFileSync } from "node:fs";
import type { BrokerUsage } from "./load-shape.ts";

/** /proc counts in ticks of 10 ms on every Linux that Node runs on (USER_HZ = 100). */
const TICK_MICROS = 10_000;
/** In /proc/PID/stat, counted from the field after the command name, which may hold spaces. */
const USER_TICKS_FIELD = 11;
const SYSTEM_TICKS_FIELD = 12;

/** All threads together, since the process began. */
export function processCpu(pid: number): BrokerUsage | null {
  const text = readProc(pid, "stat");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields.length <= SYSTEM_TICKS_FIELD) return null;
  return {
    userMicros: Number(fields[USER_TICKS_FIELD]) * TICK_MICROS,
    systemMicros: Number(fields[SYSTEM_TICKS_FIELD]) * TICK_MICROS,
  };
}

/** Bytes; -1 = unknown. */
export function processResidentBytes(pid: number): number {
  return statusKiB(pid, "VmRSS") * 1024;
}

/** Largest resident set since the process began, bytes; -1 = unknown. */
export function processPeakBytes(pid: number): number {
  return statusKiB(pid, "VmHWM") * 1024;
}

export function processThreads(pid: number): number {
  return Number(/^Threads:\s+(\d+)$/m.exec(readProc(pid, "status"))?.[1] ?? -1);
}

function statusKiB(pid: number, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readProc(pid, "status"));
  return match === null ? -1 / 1024 : Number(match[1]);
}

function readProc(pid: number, file: string): string {
  if (pid <= 0) return "";
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    // The process has ended, or this is no Linux: unknown is an answer that every caller handles.
    return "";
  }
}
