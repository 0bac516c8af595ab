/**
 * Connections that must get somewhere within a fixed time: through PROXY header, TLS handshake and
 * WebSocket upgrade after accept, or to their end after `close`. All entries wait equally long, so
 * they expire in the order they came, and one timer for the oldest serves all. Thread: worker.
 * Scope: two per listener.
 */

import { PatientTimer } from "../../platform/patient-timer.ts";

export class DeadlineList<Entry extends object> {
  /** A Map iterates in insertion order: the first entry expires first. */
  readonly #deadlines = new Map<Entry, number>();
  readonly #expire: (entry: Entry) => void;
  #durationMs: number;
  #timer: PatientTimer | null = null;

  /** `expire` is called once for an entry that is still in the list after `durationMs`. */
  constructor(durationMs: number, expire: (entry: Entry) => void) {
    this.#durationMs = durationMs;
    this.#expire = expire;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /**
   * For entries added from now on. A shorter time than before takes effect behind the entries that
   * already wait.
   */
  setDuration(durationMs: number): void {
    this.#durationMs = durationMs;
  }

  add(entry: Entry): void {
    this.#deadlines.set(entry, performance.now() + this.#durationMs);
    this.#timer ??= this.#armed(this.#durationMs);
  }

  /** Nothing happens when `entry` is not in the list. */
  delete(entry: Entry): void {
    this.#deadlines.delete(entry);
  }

  /** Expires everything now. */
  expireAll(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const entry of [...this.#deadlines.keys()]) this.#expireOne(entry);
  }

  #armed(delayMs: number): PatientTimer {
    return new PatientTimer(() => this.#handleTimer(), delayMs).unref();
  }

  #handleTimer(): void {
    this.#timer = null;
    const nowMs = performance.now();
    for (const [entry, deadlineMs] of this.#deadlines) {
      // Timers may fire a fraction of a millisecond early.
      if (deadlineMs > nowMs + 1) {
        this.#timer = this.#armed(deadlineMs - nowMs);
        return;
      }
      this.#expireOne(entry);
    }
  }

  #expireOne(entry: Entry): void {
    this.#deadlines.delete(entry);
    this.#expire(entry);
  }
}
