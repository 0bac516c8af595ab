/**
 * The commits of one store: everything that its ranges have gathered in a duty cycle becomes one
 * commit, hence one flush of the disk for any number of ranges. Two may be under way, so that the
 * next one is gathered while the disk works; what comes meanwhile waits for the first to end.
 *
 *   gather ... gather | commit 1 ------------> durable
 *            gather ... | commit 2 ----------------------> durable
 *                        gather, gather, gather ...| commit 3
 *
 * Thread: worker. Scope: one per store. Invariant: actions run in the order of their commits, after
 * everything gathered before them is durable.
 */

import { assert } from "../../shared/base/assert.ts";
import type { LogStore } from "../store/log-store.ts";

const MAX_COMMITS = 2;

export interface StoreTurnOptions {
  readonly storeId: number;
  readonly store: LogStore;
  /** Something became durable: a duty cycle shall follow. */
  readonly wake: () => void;
  /** A commit failed: nobody knows what the disk holds, the process must end. */
  readonly onFailure: (storeId: number, error: unknown) => void;
}

export class StoreTurn {
  readonly storeId: number;
  readonly store: LogStore;
  readonly #options: StoreTurnOptions;
  #commits = 0;
  #needsCommit = false;
  #hasFailed = false;
  /** What becomes true with the next commit. */
  #actions: (() => void)[] = [];

  constructor(options: StoreTurnOptions) {
    this.#options = options;
    this.storeId = options.storeId;
    this.store = options.store;
  }

  /** Something waits for the next commit. */
  get needsCommit(): boolean {
    return this.#needsCommit;
  }

  /** Nothing is gathered, nothing is under way. */
  get isIdle(): boolean {
    return this.#commits === 0 && !this.#needsCommit;
  }

  /**
   * `action` runs when everything gathered so far is durable, which `flush` now sees to. Its
   * effects belong to one thread: it runs outside of a duty cycle, and one follows.
   */
  whenDurable(action: () => void): void {
    this.#needsCommit = true;
    this.#actions.push(action);
  }

  /** End of a duty cycle: commits what must be durable, unless two commits are under way. */
  flush(): void {
    if (!this.#needsCommit || this.#hasFailed || this.#commits === MAX_COMMITS) return;
    const actions = this.#actions;
    this.#actions = [];
    this.#needsCommit = false;
    this.#commits += 1;
    this.store.commit().then(
      () => this.#committed(actions),
      (error: unknown) => this.#failed(error),
    );
  }

  #committed(actions: readonly (() => void)[]): void {
    if (this.#hasFailed) return;
    this.#commits -= 1;
    assert(this.#commits >= 0, "commits end as often as they begin");
    for (const action of actions) action();
    this.#options.wake();
  }

  #failed(error: unknown): void {
    if (this.#hasFailed) return;
    // Nothing is durable any more for certain, also not what a later commit would say.
    this.#hasFailed = true;
    this.#options.onFailure(this.storeId, error);
  }
}
