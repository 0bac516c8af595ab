/**
 * Tells when a commit has been written but perhaps not flushed, for `durability: os`. LMDB makes a
 * transaction visible to readers at that moment: its pages are the kernel's then, and a crash of
 * the process can take nothing back. Flushing goes on behind it, so that a crash of the machine
 * finds an older but whole database (LMDB falls back to the last flushed transaction when the
 * kernel's boot id has changed). Switching flushes off instead would be faster, and would leave
 * pages and roots on the disk in whatever order the kernel chose: a broken database.
 *
 * How: lmdb calls back when a transaction is visible, but tells only itself, so that call is
 * overheard. Which commits it was is not guessed but read: each commit writes its number, and what
 * a new read transaction sees of it is visible. Should lmdb one day not call back, commits are
 * reported when they are flushed: late, never wrong.
 */

import type { Database, RootDatabase } from "lmdb";

interface Waiting {
  readonly number: number;
  readonly resolve: () => void;
}

/**
 * What lmdb has behind its types: starts a transaction, and calls back with 1 when it is visible.
 */
interface Environment {
  startWriting(address: number, callback: (status: number) => unknown): unknown;
}

const VISIBLE = 1;
const NUMBER_KEY = new Uint8Array([1]);

export class VisibleCommits {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #table: Database<Uint8Array, Uint8Array>;
  readonly #flushesMax: number;
  readonly #waiting: Waiting[] = [];
  readonly #flushes: Promise<void>[] = [];
  #started: Promise<void> = Promise.resolve();
  #failure: Error | null = null;
  #number: number;

  /** `flushesMax`: see LmdbOptions.flushThreads. */
  constructor(
    root: RootDatabase<Uint8Array, Uint8Array>,
    table: Database<Uint8Array, Uint8Array>,
    flushesMax: number,
  ) {
    this.#root = root;
    this.#table = table;
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
   * Resolves when the batch that `begin` hands to lmdb is visible; `begin` returns when it is
   * flushed. It is called at once, or when an earlier flush ends, in the order of the calls. A
   * flush that fails behind a commit that was reported fails all later ones.
   */
  commit(begin: () => Promise<void>): Promise<void> {
    const started = this.#started.then(() => this.#start(begin));
    this.#started = started.then(() => {});
    // Who waits for a commit hears of it there.
    this.#started.catch(() => {});
    return started.then(({ visible }) => visible);
  }

  /** Within a batch: makes its visibility detectable. */
  putNumber(): void {
    this.#number += 1;
    const value = new Uint8Array(8);
    new DataView(value.buffer).setFloat64(0, this.#number);
    void this.#table.put(NUMBER_KEY, value);
  }

  /** The promise is wrapped, or waiting for the start would mean to wait for the end. */
  async #start(begin: () => Promise<void>): Promise<{ readonly visible: Promise<void> }> {
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
    return { visible };
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
