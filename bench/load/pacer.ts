/**
 * The clock of an open loop: calls back once per tick, with the time that the tick was meant to be.
 *
 * A thread of its own sleeps with the precision of a futex (tens of microseconds) and wakes the
 * event loop: timers of the event loop itself are whole milliseconds, and their lateness would be
 * counted as the broker's latency. Ticks are half a millisecond apart or more; what is due within
 * one tick leaves together.
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { nowMicros } from "./clock.ts";

const SHORTEST_TICK_MICROS = 500;
const THREAD_URL = new URL(`./pacer-thread${extname(import.meta.url)}`, import.meta.url);

/** Words shared with the thread. */
export const PACER_STOP_WORD = 0;
export const PACER_PENDING_WORD = 1;
/** The last tick that the thread saw pass. */
export const PACER_TICK_WORD = 2;
const PACER_WORDS = 3;

export interface PacerBoot {
  readonly words: SharedArrayBuffer;
  readonly startMicros: number;
  readonly tickMicros: number;
}

export class Pacer {
  readonly #perTick: number;
  readonly #tickMicros: number;
  readonly #words = new Int32Array(
    new SharedArrayBuffer(PACER_WORDS * Int32Array.BYTES_PER_ELEMENT),
  );
  #thread: Worker | null = null;
  #publish: ((intendedMicros: number, count: number) => void) | null = null;
  #startMicros = 0;
  #tick = 0;
  #sent = 0;

  constructor(perSecond: number) {
    this.#tickMicros = Math.max(SHORTEST_TICK_MICROS, 1e6 / perSecond);
    this.#perTick = (perSecond * this.#tickMicros) / 1e6;
  }

  /**
   * Calls `publish(intendedMicros, count)` for every tick from now on, also for ticks that were
   * missed.
   */
  start(publish: (intendedMicros: number, count: number) => void): void {
    this.#publish = publish;
    this.#startMicros = nowMicros();
    const boot: PacerBoot = {
      words: this.#words.buffer as SharedArrayBuffer,
      startMicros: this.#startMicros,
      tickMicros: this.#tickMicros,
    };
    this.#thread = new Worker(THREAD_URL, { workerData: boot });
    this.#thread.on("message", () => {
      Atomics.store(this.#words, PACER_PENDING_WORD, 0);
      this.#catchUp();
    });
  }

  /**
   * What is due by now is still asked for: a thread that a busy machine has not let run must not
   * make the load smaller.
   */
  stop(): void {
    this.#catchUp();
    this.#publish = null;
    Atomics.store(this.#words, PACER_STOP_WORD, 1);
    Atomics.notify(this.#words, PACER_STOP_WORD);
    this.#thread?.removeAllListeners("message");
    this.#thread = null;
  }

  #catchUp(): void {
    // Two threads read the clock with offsets that differ by microseconds: the tick that we were
    // woken for has passed, even where our own clock is not quite there.
    const woken = Atomics.load(this.#words, PACER_TICK_WORD);
    const passed = Math.floor((nowMicros() - this.#startMicros) / this.#tickMicros);
    const last = Math.max(passed, woken);
    while (this.#tick < last) {
      this.#tick += 1;
      const due = Math.floor(this.#tick * this.#perTick + 1e-9);
      if (due === this.#sent) continue;
      this.#publish?.(this.#startMicros + this.#tick * this.#tickMicros, due - this.#sent);
      this.#sent = due;
    }
  }
}
