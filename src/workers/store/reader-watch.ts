/**
 * Looks for read transactions that stay open: LMDB cannot use a page again that somebody might
 * still read, so the file grows for as long as one is held. Ours end with the event turn; who holds
 * one longer is another process (a backup, a debugging tool), or a mistake of ours.
 *
 * A reader is old when it has stood at the same transaction for OLD_MS while later ones were
 * written. Each is told of once. Thread: worker. Scope: one per LMDB environment.
 */

/** Between two looks; a look takes some microseconds. */
const LOOK_MS = 1000;
const OLD_MS = 5000;

export interface OldReader {
  /** Process that holds it. */
  readonly pid: number;
  readonly ageMs: number;
  /** Commits since what it sees. */
  readonly commitsBehind: number;
}

export interface ReaderWatchOptions {
  /** LMDB's table of readers, as text: a line each with process, thread and transaction. */
  readonly list: () => string;
  /** Number of the last committed transaction. */
  readonly lastCommit: () => number;
  /** Monotonic. */
  readonly clockMs: () => number;
  readonly onOld: (reader: OldReader) => void;
}

interface Seen {
  readonly sinceMs: number;
  readonly isTold: boolean;
}

export class ReaderWatch {
  readonly #options: ReaderWatchOptions;
  /** By line of the table: who is behind, and since when. */
  #behind = new Map<string, Seen>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ReaderWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  look(): void {
    const { list, lastCommit, clockMs, onOld } = this.#options;
    const nowMs = clockMs();
    const last = lastCommit();
    const behind = new Map<string, Seen>();
    for (const line of list().split("\n")) {
      // One that is not reading has "-" for a transaction.
      const match = /^\s*(\d+)\s+(\w+)\s+(\d+)\s*$/.exec(line);
      const commitsBehind = last - Number(match?.[3] ?? last);
      if (match === null || commitsBehind <= 0) continue;
      const { sinceMs, isTold } = this.#behind.get(line) ?? { sinceMs: nowMs, isTold: false };
      const ageMs = nowMs - sinceMs;
      const isOld = ageMs >= OLD_MS;
      if (isOld && !isTold) onOld({ pid: Number(match[1]), ageMs, commitsBehind });
      behind.set(line, { sinceMs, isTold: isTold || isOld });
    }
    this.#behind = behind;
  }
}
