/**
 * The clock of an open loop: calls back once per tick, with the time that the tick was meant to be.
 *
 * A thread of its own sleeps with the precision of a futex (tens of microseconds) and wakes the
 * event loop: timers of the event loop itself are whole milliseconds, and their lateness would be
 * counted as the broker's latency. Ticks are half a millisecond apart or more; what is due within
 * one tick leaves together.
 *
 * When ticks were missed, all of them are asked for at once and sent together: so the further
 * behind, the fewer system calls per publish, and the clock is caught up with. But no more than a
 * few thousand publishes at a time, with sockets read in between: a generator that only sends makes
 * the broker wait for it, and drop what it does not read.
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { nowMicros } from "./clock.ts";

const SHORTEST_TICK_MICROS = 500;
/** Asked for between two looks at the sockets: about a millisecond of work. */
const MOST_AT_ONCE = 4_096;
/** At the end what is due is still asked for, unless the generator was further behind than this. */
const FURTHEST_BEHIND_MICROS = 1_000_000;
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

/** What is due: `count` publishes, meant to be sent at `intendedMicros`. */
export type AskForPublishes = (intendedMicros: number, count: number) => void;

export class Pacer {
  readonly #perTick: number;
  readonly #tickMicros: number;
  readonly #words = new Int32Array(
    new SharedArrayBuffer(PACER_WORDS * Int32Array.BYTES_PER_ELEMENT),
  );
  #thread: Worker | null = null;
  #publish: AskForPublishes | null = null;
  #send: () => void = () => {};
  /** The rest of a catching up is to come. */
  #isBehind = false;
  #startMicros = 0;
  #tick = 0;
  #sent = 0;

  constructor(perSecond: number) {
    this.#tickMicros = Math.max(SHORTEST_TICK_MICROS, 1e6 / perSecond);
    this.#perTick = (perSecond * this.#tickMicros) / 1e6;
  }

  /**
   * Calls `publish` for every tick from now on, also for ticks that were missed, and `send` after
   * the last of those that it asks for together.
   */
  start(publish: AskForPublishes, send: () => void = () => {}): void {
    this.#publish = publish;
    this.#send = send;
    this.#startMicros = nowMicros();
    const boot: PacerBoot = {
      words: this.#words.buffer as SharedArrayBuffer,
      startMicros: this.#startMicros,
      tickMicros: this.#tickMicros,
    };
    this.#thread = new Worker(THREAD_URL, { workerData: boot });
    this.#thread.on("message", () => {
      Atomics.store(this.#words, PACER_PENDING_WORD, 0);
      if (!this.#isBehind) this.#catchUp();
    });
  }

  /**
   * What is due by now is still asked for: a thread that a busy machine has not let run must not
   * make the load smaller. Returns how many publishes were due and are not: a generator that is
   * seconds behind would only measure itself.
   */
  stop(): number {
    const last = this.#publish === null ? this.#tick : this.#lastTick();
    const behindMicros = (last - this.#tick) * this.#tickMicros;
    if (behindMicros <= FURTHEST_BEHIND_MICROS) this.#askUntil(last);
    this.#publish = null;
    Atomics.store(this.#words, PACER_STOP_WORD, 1);
    Atomics.notify(this.#words, PACER_STOP_WORD);
    this.#thread?.removeAllListeners("message");
    this.#thread = null;
    return this.#dueBy(last) - this.#sent;
  }

  readonly #catchUp = (): void => {
    this.#isBehind = false;
    if (this.#publish === null) return;
    const last = this.#lastTick();
    const ticksAtOnce = Math.max(1, Math.floor(MOST_AT_ONCE / this.#perTick));
    this.#askUntil(Math.min(last, this.#tick + ticksAtOnce));
    if (this.#tick === last || this.#publish === null) return;
    // After the sockets have had their turn.
    this.#isBehind = true;
    setImmediate(this.#catchUp);
  };

  #lastTick(): number {
    // Two threads read the clock with offsets that differ by microseconds: the tick that we were
    // woken for has passed, even where our own clock is not quite there.
    const woken = Atomics.load(this.#words, PACER_TICK_WORD);
    const passed = Math.floor((nowMicros() - this.#startMicros) / this.#tickMicros);
    return Math.max(passed, woken);
  }

  #dueBy(tick: number): number {
    return Math.floor(tick * this.#perTick + 1e-9);
  }

  #askUntil(last: number): void {
    while (this.#tick < last) {
      this.#tick += 1;
      const count = this.#dueBy(this.#tick) - this.#sent;
      if (count === 0) continue;
      this.#sent += count;
      this.#publish?.(this.#startMicros + this.#tick * this.#tickMicros, count);
    }
    this.#send();
  }
}
