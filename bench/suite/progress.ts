/**
 * Tells on stderr how far a long run is: one line that is written over on a terminal, a line per
 * case elsewhere.
 */

const MINUTE_SECONDS = 60;
const CLEAR_LINE = "\r\u001b[2K";

export class Progress {
  readonly #total: number;
  readonly #startMs = performance.now();
  readonly #isTerminal = process.stderr.isTTY === true;
  #done = 0;
  #lastCase = "";

  constructor(totalRuns: number) {
    this.#total = totalRuns;
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

  end(): void {
    this.#done += 1;
  }

  /** Leaves the terminal line free for what is printed next. */
  clear(): void {
    if (this.#isTerminal) process.stderr.write(CLEAR_LINE);
  }

  #remaining(): string {
    if (this.#done === 0) return "";
    const each = (performance.now() - this.#startMs) / this.#done / 1000;
    const seconds = Math.round(each * (this.#total - this.#done));
    const text =
      seconds < 2 * MINUTE_SECONDS ? `${seconds} s` : `${Math.round(seconds / MINUTE_SECONDS)} min`;
    return ` · ${text} left`;
  }
}
