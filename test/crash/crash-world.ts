/**
 * What everybody in a crash run shares: the trace, what was published, what was found, where the
 * broker is, and whether it is time for trouble or for everything to come to rest.
 *
 *     load ──settle──▶ settle ──load──▶ load … ──▶ over
 */

import { EventTrace } from "./event-trace.ts";
import { Findings } from "./findings.ts";
import { RunClock } from "./run-clock.ts";
import { Stream, type StreamFields } from "./stream.ts";

export type Phase = "load" | "settle" | "over";

const POLL_MS = 10;
/**
 * Nothing that clients wait for takes as long on a sound disk, if the machine does anything at all.
 */
export const STANDSTILL_MS = 30_000;

export class CrashWorld {
  readonly trace = new EventTrace();
  readonly findings = new Findings();
  readonly streams: Stream[] = [];
  /** Of the broker that listens; 0 = none does. */
  port = 0;
  /** Lives of the broker so far; the present one included. */
  life = 0;
  readonly clock = new RunClock();
  /** What they are for stands in run-clock.ts. */
  nowMs: () => number = () => this.clock.nowMs;
  liveMs: () => number = () => this.clock.liveMs;
  /** When the present life became ready, by `liveMs`; Infinity = not yet. */
  readySinceMs = Number.POSITIVE_INFINITY;
  #phase: Phase = "load";
  readonly #sleepers = new Set<() => void>();

  get phase(): Phase {
    return this.#phase;
  }

  get isLoad(): boolean {
    return this.#phase === "load";
  }

  get isOver(): boolean {
    return this.#phase === "over";
  }

  /** Everybody who pauses goes on at once and looks what is to be done now. */
  enter(phase: Phase): void {
    this.#phase = phase;
    this.trace.note(`broker ---- ${phase}`);
    for (const wake of [...this.#sleepers]) wake();
  }

  addStream(fields: StreamFields): Stream {
    const stream = new Stream(this.streams.length, fields);
    this.streams.push(stream);
    return stream;
  }

  /** Resolves after the time, or earlier when another phase begins. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      this.#sleepers.add(wake);
    });
  }

  /**
   * Resolves when `isTrue`, or with false when the run is over, when the time is up, or when
   * `progress` has not changed for `standstillMs`; by `liveMs`.
   */
  async waitFor(
    isTrue: () => boolean,
    milliseconds: number,
    progress: (() => number) | null = null,
    standstillMs: number = STANDSTILL_MS,
  ): Promise<boolean> {
    const endMs = this.liveMs() + milliseconds;
    let last = -1;
    let lastMs = this.liveMs();
    while (!isTrue()) {
      const nowMs = this.liveMs();
      const done = progress === null ? nowMs : progress();
      if (done !== last) {
        last = done;
        lastMs = nowMs;
      }
      if (this.isOver || nowMs > endMs || nowMs > lastMs + standstillMs) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  }
}
