/**
 * Tells on stderr how far a long run is: one line that is written over on a terminal, a line per
 * case elsewhere.
 */

const MINUTE_SECONDS = 60;
const CLEAR_LINE = "\r\u001b[2K";

export class Progress {
  readonly #total: number;
  readonly #expectedSeconds: number;
  readonly #startMs = performance.now();
  readonly #isTerminal = process.stderr.isTTY === true;
  #done = 0;
  /** What the runs that are over were expected to take. */
  #doneSeconds = 0;
  #lastCase = "";

  constructor(totalRuns: number, expectedSeconds: number) {
    this.#total = totalRuns;
    this.#expectedSeconds = expectedSeconds;
  }

  /** A run begins. */
  begin(caseName: string, contender: string, round: number): void {
    const text = `[${this.#done + 1}/${this.#total}] ${caseName} · ${contender} · round ${round}`;
    if (this.#isTerminal) {
      process.stderr.write(`${CLEAR_LINE}${text}${this.#remaining()}`.slice(0, 160));
    } else if (caseName !== this.#lastCase) {
      process.stderr.write(`${text}${this.#remaining()}\n`);
    }
    this.#lastCase = caseName;
  }

  /** `expectedSeconds`: of this run. */
  end(expectedSeconds: number): void {
    this.#done += 1;
    this.#doneSeconds += expectedSeconds;
  }

  /** Leaves the terminal line free for what is printed next. */
  clear(): void {
    if (this.#isTerminal) process.stderr.write(CLEAR_LINE);
  }

  #remaining(): string {
    if (this.#doneSeconds <= 0) return "";
    const elapsedSeconds = (performance.now() - this.#startMs) / 1000;
    const pace = elapsedSeconds / this.#doneSeconds;
    return ` · ${showTime(pace * (this.#expectedSeconds - this.#doneSeconds))} left`;
  }
}

/** "90 s", "12 min". */
export function showTime(seconds: number): string {
  if (seconds < 2 * MINUTE_SECONDS) return `${Math.max(0, Math.round(seconds))} s`;
  return `${Math.round(seconds / MINUTE_SECONDS)} min`;
}
