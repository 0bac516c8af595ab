/**
 * Everything that happened in a crash run, in the one order in which this process saw it. The
 * number of an event is the run's logical clock (a tick): "the SUBACK came before the message was
 * sent" is a comparison of two ticks. Who finds a message missing asks for its timeline.
 *
 * A run of minutes has millions of events: those of messages are rows of integers, only those of
 * brokers and connections are text.
 *
 *     row   what · actor · stream · sequence · packet identifier · milliseconds since the start
 */

export const Happened = {
  SENT: 0,
  SENT_AGAIN: 1,
  STORED: 2,
  COMPLETED: 3,
  REFUSED: 4,
  DELIVERED: 5,
  DELIVERED_AGAIN: 6,
} as const;
export type Happened = (typeof Happened)[keyof typeof Happened];

const NAMES = [
  "sent by",
  "sent again, with DUP, by",
  "acknowledged to",
  "completed for",
  "refused to",
  "delivered to",
  "delivered again to",
] as const;

const ROW = 6;
const NOTE = -1;

export class EventTrace {
  readonly #startMs = performance.now();
  #rows = new Int32Array(ROW * 4096);
  #count = 0;
  readonly #notes: string[] = [];
  readonly #actors: string[] = [];

  /** Number of the next event. */
  get tick(): number {
    return this.#count;
  }

  /** A number for whoever takes part. */
  actor(name: string): number {
    return this.#actors.push(name) - 1;
  }

  /** Something about a message; returns its tick. */
  message(what: Happened, actor: number, key: MessageKey, packetId: number): number {
    const at = this.#next();
    this.#rows[at] = what;
    this.#rows[at + 1] = actor;
    this.#rows[at + 2] = key.stream;
    this.#rows[at + 3] = key.sequence;
    this.#rows[at + 4] = packetId;
    return this.#count++;
  }

  /** Something about a broker or a connection. */
  note(text: string): number {
    const at = this.#next();
    this.#rows[at] = NOTE;
    this.#rows[at + 1] = this.#notes.push(text) - 1;
    return this.#count++;
  }

  /**
   * What happened to a message, with the notes in between: those of the broker, and those that
   * begin with the name of somebody who had to do with it, or with one of `names`.
   */
  timeline(key: MessageKey, names: readonly string[] = []): string[] {
    const isAbout = (at: number) =>
      this.#rows[at]! !== NOTE &&
      this.#rows[at + 2] === key.stream &&
      this.#rows[at + 3] === key.sequence;
    const actors = new Set(["broker", ...names]);
    let first = -1;
    for (let at = 0; at < this.#count * ROW; at += ROW) {
      if (!isAbout(at)) continue;
      if (first < 0) first = at;
      actors.add(this.#actors[this.#rows[at + 1]!]!);
    }
    const lines: string[] = [];
    for (let at = Math.max(first, 0); at < this.#count * ROW; at += ROW) {
      if (isAbout(at)) lines.push(this.#line(at, this.#messageText(at)));
      else if (this.#rows[at] === NOTE) {
        const text = this.#notes[this.#rows[at + 1]!]!;
        if (actors.has(text.split(" ", 1)[0]!)) lines.push(this.#line(at, text));
      }
    }
    return lines;
  }

  /** All notes from a tick on. */
  notesFrom(tick: number): string[] {
    const lines: string[] = [];
    for (let at = tick * ROW; at < this.#count * ROW; at += ROW) {
      if (this.#rows[at] === NOTE) lines.push(this.#line(at, this.#notes[this.#rows[at + 1]!]!));
    }
    return lines;
  }

  #next(): number {
    const at = this.#count * ROW;
    if (at + ROW > this.#rows.length) {
      const larger = new Int32Array(this.#rows.length * 2);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows[at + 5] = Math.round(performance.now() - this.#startMs);
    return at;
  }

  #messageText(at: number): string {
    const actor = this.#actors[this.#rows[at + 1]!]!;
    return `${NAMES[this.#rows[at]!]!} ${actor}, identifier ${this.#rows[at + 4]!}`;
  }

  #line(at: number, text: string): string {
    const seconds = (this.#rows[at + 5]! / 1000).toFixed(3);
    return `${seconds.padStart(9)} s  #${at / ROW}  ${text}`;
  }
}

/** The n-th message that a publisher sends to a topic. */
export interface MessageKey {
  readonly stream: number;
  readonly sequence: number;
}
