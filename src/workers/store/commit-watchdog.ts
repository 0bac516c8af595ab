/**
 * Gives up on commits that do not end: a disk that does not answer, or a database that lost track
 * of a transaction, must not look like a broker that is merely slow.
 *
 * Patience is counted in looks, not in time: after a stop of the whole process one look is due, and
 * it comes before the event loop hears of commits that have ended meanwhile. Thread: worker.
 */

/** Coarse: what counts is that somebody notices. */
const LOOKS_PER_TIMEOUT = 4;
/** The first one may come at once. */
const LOOKS_MAX = LOOKS_PER_TIMEOUT + 1;

interface Watched {
  looksLeft: number;
  readonly giveUp: (error: Error) => void;
}

export class CommitWatchdog {
  readonly #timeoutMs: number;
  readonly #watched: Watched[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Settles as `commit` does, or rejects when that takes too long. */
  watch(commit: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const watched = { looksLeft: LOOKS_MAX, giveUp: reject };
      this.#watched.push(watched);
      this.#timer ??= setInterval(() => this.#look(), this.#timeoutMs / LOOKS_PER_TIMEOUT);
      commit.then(resolve, reject).finally(() => this.#forget(watched));
    });
  }

  /** All commits under way have their time anew: they wait for something that is no fault. */
  postpone(): void {
    for (const watched of this.#watched) watched.looksLeft = LOOKS_MAX;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const error = `a commit took longer than ${this.#timeoutMs / 1000} s: the disk does not answer`;
    for (const watched of this.#watched) {
      watched.looksLeft -= 1;
      if (watched.looksLeft <= 0) watched.giveUp(new Error(error));
    }
  }

  #forget(watched: Watched): void {
    this.#watched.splice(this.#watched.indexOf(watched), 1);
    if (this.#watched.length === 0) this.stop();
  }
}
