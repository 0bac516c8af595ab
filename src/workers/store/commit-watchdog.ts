/**
 * Gives up on commits that do not end: a disk that does not answer, or a database that lost track
 * of a transaction, must not look like a broker that is merely slow. Thread: worker.
 */

/** Coarse: what counts is that somebody notices. */
const CHECKS_PER_TIMEOUT = 4;

interface Watched {
  deadlineMs: number;
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
      const watched = { deadlineMs: performance.now() + this.#timeoutMs, giveUp: reject };
      this.#watched.push(watched);
      this.#timer ??= setInterval(() => this.#check(), this.#timeoutMs / CHECKS_PER_TIMEOUT);
      commit.then(resolve, reject).finally(() => this.#forget(watched));
    });
  }

  /** All commits under way have their time anew: they wait for something that is no fault. */
  postpone(): void {
    const deadlineMs = performance.now() + this.#timeoutMs;
    for (const watched of this.#watched) watched.deadlineMs = deadlineMs;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #check(): void {
    const now = performance.now();
    const error = `a commit took longer than ${this.#timeoutMs / 1000} s: the disk does not answer`;
    for (const { deadlineMs, giveUp } of this.#watched) {
      if (deadlineMs <= now) giveUp(new Error(error));
    }
  }

  #forget(watched: Watched): void {
    this.#watched.splice(this.#watched.indexOf(watched), 1);
    if (this.#watched.length === 0) this.stop();
  }
}
