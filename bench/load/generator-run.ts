/**
 * One run inside a generator process, in the steps that the parent asks for, and what every kind of
 * run measures between two of them.
 *
 *   prepare -> begin -> openWindow -> closeWindow -> finish
 *
 * A run either goes on until its window is closed, or has work with an end of its own (connect so
 * many clients): then the window opens before `begin` and closes when `work` is done.
 */

import { LiveClock } from "../../src/shared/base/live-clock.ts";
import { nowMicros } from "./clock.ts";
import type { BrokerUsage, DeliveryCheck, GeneratorCounts, LoadTarget } from "./load-shape.ts";
import { processCpu } from "./process-cpu.ts";

export interface GeneratorRun {
  /** Null: the run goes on until it is told to stop. */
  readonly work: Promise<void> | null;
  prepare(): Promise<void>;
  begin(): void;
  openWindow(): void;
  closeWindow(): void;
  finish(): Promise<GeneratorCounts>;
}

export const NOTHING_TO_CHECK: DeliveryCheck = {
  expected: 0,
  received: 0,
  lost: 0,
  repeated: 0,
  disordered: 0,
  corrupt: 0,
};

interface Reading {
  readonly micros: number;
  readonly operations: number;
  readonly ownCpuMicros: number;
  readonly broker: BrokerUsage | null;
}

/** The measured interval: time, operations and CPU between `open` and `close`. */
export class MeasuredWindow {
  readonly #pid: number;
  #first: Reading | null = null;
  #last: Reading | null = null;

  constructor(target: LoadTarget) {
    this.#pid = target.pid;
  }

  open(operations: number): void {
    this.#first = this.#read(operations);
  }

  close(operations: number): void {
    this.#last = this.#read(operations);
  }

  get openedMicros(): number {
    return this.#first?.micros ?? Number.POSITIVE_INFINITY;
  }

  counts(): Pick<GeneratorCounts, "seconds" | "operations" | "ownCpuMicros" | "broker"> {
    const first = this.#first;
    const last = this.#last;
    if (first === null || last === null) throw new Error("the window was not opened and closed");
    return {
      seconds: (last.micros - first.micros) / 1e6,
      operations: last.operations - first.operations,
      ownCpuMicros: last.ownCpuMicros - first.ownCpuMicros,
      broker: difference(first.broker, last.broker),
    };
  }

  #read(operations: number): Reading {
    const { user, system } = process.cpuUsage();
    return {
      micros: nowMicros(),
      operations,
      ownCpuMicros: user + system,
      broker: processCpu(this.#pid),
    };
  }
}

function difference(first: BrokerUsage | null, last: BrokerUsage | null): BrokerUsage | null {
  if (first === null || last === null) return null;
  return {
    userMicros: last.userMicros - first.userMicros,
    systemMicros: last.systemMicros - first.systemMicros,
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const STILL_POLL_MS = 20;

// All of these count only time in which this process ran: after a stop its timers run before it
// reads what has come meanwhile.

/**
 * Polls until `isDone`, or until `progress` has stood still for `stallMs`: then all is over, and
 * true is returned. False: something still moved after `limitMs`.
 */
export async function untilStill(wait: {
  readonly isDone: () => boolean;
  readonly progress: () => number;
  readonly stallMs: number;
  readonly limitMs: number;
}): Promise<boolean> {
  const clock = new LiveClock(performance.now());
  const startMs = clock.nowMs;
  let changedMs = startMs;
  let seen = wait.progress();
  while (!wait.isDone()) {
    await pause(STILL_POLL_MS);
    clock.advance(performance.now());
    const { nowMs } = clock;
    const current = wait.progress();
    if (current !== seen) changedMs = nowMs;
    else if (nowMs - changedMs > wait.stallMs) return true;
    seen = current;
    if (nowMs - startMs > wait.limitMs) return wait.isDone();
  }
  return true;
}

/**
 * Polls until `isTrue`; throws with `what` when nothing has changed (`progress` stood still) for
 * `limitMs`.
 */
export async function untilDone(
  isTrue: () => boolean,
  progress: () => number,
  limitMs: number,
  what: string,
): Promise<void> {
  const clock = new LiveClock(performance.now());
  let seen = progress();
  let changedMs = clock.nowMs;
  while (!isTrue()) {
    await pause(2);
    clock.advance(performance.now());
    const current = progress();
    if (current !== seen) {
      seen = current;
      changedMs = clock.nowMs;
    } else if (clock.nowMs - changedMs > limitMs) {
      throw new Error(`${what}: nothing moved for ${limitMs} ms at ${current}`);
    }
  }
}
