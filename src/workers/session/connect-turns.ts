/**
 * Whose CONNECT is read: of the connections that have not sent one yet, so many at a time. The
 * sockets of the others are not read at all, so however many clients speak up at the same moment,
 * one turn of the event loop meets a portion of them, and everybody else's packets stand behind
 * that portion only.
 *
 *     accepted ──► waiting ──► read ──► its CONNECT begins, or it is gone
 *                     ▲          │
 *                     └──────────┘ silent for a tick or two while others wait
 *
 * So silent connections hold nobody up: of N of them one that speaks is read within N / 128 × 10
 * ms. Their connect time limit runs on. Measured, 15,000 clients at once beside 1,000 that publish
 * once a second: without it one turn read thousands of CONNECTs.
 * Flow: connect, before the decoder; what was read goes on in connect-queue.ts. Thread: worker.
 * Scope: one per worker.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";
import type { Session } from "./session.ts";
import { PauseReason, Phase } from "./session-state.ts";

/** At some 20 µs per CONNECT, two or three milliseconds if all of them arrive together. */
export const READ_AT_ONCE = 128;
/** A client that has connected sends at once; what has to travel is there already. */
const TICK_MS = 5;

/** What is asked of a session here. */
export type Newcomer = Pick<Session, "phase" | "pause" | "resume">;

export class ConnectTurns {
  /** Connections that are read, and in which tick that began; the longest first. */
  readonly #reading = new Map<Newcomer, number>();
  readonly #waiting = new RingQueue<Newcomer>();
  readonly #schedule: () => void;
  readonly #later: (delayMs: number, act: () => void) => void;
  #tick = 0;
  #isTicking = false;

  /** `schedule` makes sure that a duty cycle follows; `later` calls `act` once, after `delayMs`. */
  constructor(schedule: () => void, later: (delayMs: number, act: () => void) => void) {
    this.#schedule = schedule;
    this.#later = later;
  }

  /** Connections that wait to be read, some of which may be gone. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** A new connection: it is read at once, or its input is paused until its turn. */
  enter(session: Newcomer): void {
    if (this.#reading.size < READ_AT_ONCE && this.#waiting.size === 0) {
      this.#reading.set(session, this.#tick);
    } else {
      this.#wait(session);
    }
  }

  /** Its CONNECT is under way, or the connection is gone. Harmless when repeated. */
  leave(session: Newcomer): void {
    if (this.#reading.delete(session) && this.#waiting.size > 0) this.#schedule();
  }

  /** Called once per duty cycle. */
  handleCycle(): void {
    while (this.#reading.size < READ_AT_ONCE) {
      const session = this.#waiting.shift();
      if (session === undefined) return;
      if (session.phase !== Phase.AWAIT_CONNECT) continue;
      this.#reading.set(session, this.#tick);
      session.resume(PauseReason.TURN);
    }
  }

  #wait(session: Newcomer): void {
    session.pause(PauseReason.TURN);
    this.#waiting.push(session);
    this.#keepTicking();
  }

  #keepTicking(): void {
    if (this.#isTicking || this.#waiting.size === 0) return;
    this.#isTicking = true;
    this.#later(TICK_MS, () => this.#handleTick());
  }

  #handleTick(): void {
    this.#isTicking = false;
    this.#tick += 1;
    let left = this.#waiting.size;
    for (const [session, since] of this.#reading) {
      if (left === 0 || since === this.#tick - 1) break;
      // What has sent its CONNECT waits for us.
      if (session.phase !== Phase.AWAIT_CONNECT) continue;
      this.#reading.delete(session);
      this.#wait(session);
      left -= 1;
    }
    this.handleCycle();
    this.#keepTicking();
  }
}
