/**
 * Lets several commits be under way in LMDB, each in its turn.
 *
 *   begin 1 ── visible ── flushing ─────── flushed
 *                 └ begin 2 ── visible ── flushing ── flushed
 *
 * Visible means written: the pages are the kernel's, readers see them, and a crash of the process
 * can take nothing back. A commit begins only then, not earlier: if the first one fails (no space),
 * the second must never be written, for it would leave a log with a hole. It does not have to wait
 * for the flush, because flushes keep their order.
 *
 * With `durability: os` visible is also when a commit is reported. Flushing goes on behind it, so
 * that a crash of the machine finds an older but whole database (LMDB falls back to the last
 * flushed transaction when the kernel's boot id has changed). Switching flushes off would be faster
 * still, and would leave pages and roots on the disk in whatever order the kernel chose: a broken
 * one.
 *
 * How visibility is known: lmdb calls back, but tells only itself, so that call is overheard. Which
 * commits it was is not guessed but read: each writes its number, and what a new read transaction
 * sees of it is visible. Should lmdb one day not call back, flushed counts as visible: later, never
 * wrong.
 */

import type { Database, RootDatabase } from "lmdb";

interface Waiting {
  readonly number: number;
  readonly resolve: () => void;
}

/** Wrapped, or to wait for a commit's beginning would mean to wait for its end. */
interface StartedCommit {
  readonly visible: Promise<void>;
  readonly flush: Promise<void>;
}

/**
 * What lmdb has behind its types: starts a transaction, and calls back with 1 when it is visible.
 */
interface Environment {
  startWriting(address: number, callback: (status: number) => unknown): unknown;
}

const VISIBLE = 1;
const NUMBER_KEY = new Uint8Array([1]);

export interface PipelineOptions {
  readonly root: RootDatabase<Uint8Array, Uint8Array>;
  /** For the numbers of commits. */
  readonly table: Database<Uint8Array, Uint8Array>;
  /** When a commit is reported. */
  readonly isDoneWhen: "visible" | "flushed";
  /** Each keeps a thread of the libuv pool, which all stores share. */
  readonly flushesMax: number;
}

export class CommitPipeline {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #table: Database<Uint8Array, Uint8Array>;
  readonly #isDoneWhen: "visible" | "flushed";
  readonly #flushesMax: number;
  readonly #waiting: Waiting[] = [];
  readonly #flushes: Promise<void>[] = [];
  /** Resolves when the next batch may begin. */
  #turn: Promise<void> = Promise.resolve();
  #failure: Error | null = null;
  #number: number;

  constructor({ root, table, isDoneWhen, flushesMax }: PipelineOptions) {
    this.#root = root;
    this.#table = table;
    this.#isDoneWhen = isDoneWhen;
    this.#flushesMax = flushesMax;
    this.#number = this.#visibleNumber();
    const { env } = root as unknown as { readonly env: Environment };
    const original = env.startWriting.bind(env);
    const startWriting: Environment["startWriting"] = (address, callback) =>
      original(address, (status) => {
        const answer = callback(status);
        if (status === VISIBLE) this.#report();
        return answer;
      });
    Object.defineProperty(env, "startWriting", { value: startWriting });
  }

  /**
   * Commits the batch that `begin` hands to lmdb; `begin` returns when it is flushed, and is called
   * in the order of the calls, at once or when it is the batch's turn. A commit that fails, also
   * one whose flush fails after it was reported, fails all later ones.
   */
  commit(begin: () => Promise<void>): Promise<void> {
    const started = this.#turn.then(() => this.#start(begin));
    this.#turn = started.then(({ visible }) => visible);
    // Who waits for a commit hears of it there.
    this.#turn.catch(() => {});
    const isVisibleEnough = this.#isDoneWhen === "visible";
    return started.then(({ visible, flush }) => (isVisibleEnough ? visible : flush));
  }

  /** Of the batch that was begun last. */
  get lastNumber(): number {
    return this.#number;
  }

  /** Readers see the batch of that number. */
  isVisible(number: number): boolean {
    this.#root.resetReadTxn();
    return this.#visibleNumber() >= number;
  }

  /** Resolves when no flush is under way any more; rejects when one has failed. */
  async flushed(): Promise<void> {
    await Promise.allSettled(this.#flushes);
    if (this.#failure !== null) throw this.#failure;
  }

  /** Within a batch: makes its visibility detectable. */
  putNumber(): void {
    this.#number += 1;
    const value = new Uint8Array(8);
    new DataView(value.buffer).setFloat64(0, this.#number);
    void this.#table.put(NUMBER_KEY, value);
  }

  async #start(begin: () => Promise<void>): Promise<StartedCommit> {
    while (this.#flushes.length >= this.#flushesMax) await this.#flushes[0];
    if (this.#failure !== null) throw this.#failure;
    const flush = begin();
    this.#flushes.push(flush);
    flush.then(
      () => this.#flushes.splice(this.#flushes.indexOf(flush), 1),
      (error: Error) => {
        this.#failure = error;
      },
    );
    const visible = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ number: this.#number, resolve });
      flush.then(resolve, reject);
    });
    return { visible, flush };
  }

  #report(): void {
    this.#root.resetReadTxn();
    const visible = this.#visibleNumber();
    while (this.#waiting.length > 0 && this.#waiting[0]!.number <= visible) {
      this.#waiting.shift()!.resolve();
    }
  }

  #visibleNumber(): number {
    const value = this.#table.getBinary(NUMBER_KEY);
    return value === undefined ? 0 : value.readDoubleBE(0);
  }
}
