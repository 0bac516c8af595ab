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
import type { Entry } from "../../shared/raft/entry.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import type { LogStore } from "../store/log-store.ts";
import { SlowCommits } from "./slow-commits.ts";

const MAX_COMMITS = 2;

/** One commit, for metrics. */
export interface CommitReport {
  readonly store: LogStore;
  readonly entries: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface StoreTurnOptions {
  readonly storeId: number;
  readonly store: LogStore;
  /** Monotonic, milliseconds with fractions. */
  readonly clockMs: () => number;
  readonly onCommit: (report: CommitReport) => void;
  /** A commit has been under way for so long, and still is. */
  readonly onSlow: (storeId: number, waitingMs: number) => void;
  /** Something became durable: a duty cycle shall follow. */
  readonly wake: () => void;
  /** A commit failed: nobody knows what the disk holds, the process must end. */
  readonly onFailure: (storeId: number, error: unknown) => void;
}

export class StoreTurn {
  readonly storeId: number;
  #store: LogStore;
  readonly #options: StoreTurnOptions;
  readonly #slow: SlowCommits;
  #commits = 0;
  #needsCommit = false;
  #hasFailed = false;
  /** Gathered for the next commit. */
  #entries = 0;
  /** What becomes true with the next commit. */
  #actions: (() => void)[] = [];

  constructor(options: StoreTurnOptions) {
    this.#options = options;
    this.storeId = options.storeId;
    this.#store = options.store;
    const { clockMs, onSlow, storeId } = options;
    this.#slow = new SlowCommits(clockMs, (waitingMs) => onSlow(storeId, waitingMs));
  }

  get store(): LogStore {
    return this.#store;
  }

  /** Of a store that is closed, and of which nothing is served; nothing is gathered. */
  replaceStore(store: LogStore): void {
    assert(!this.#needsCommit && !this.isWriting, "nothing waits for a store that is replaced");
    this.#store = store;
  }

  /** Something waits for the next commit. */
  get needsCommit(): boolean {
    return this.#needsCommit;
  }

  /** The disk is at work for it. */
  get isWriting(): boolean {
    return this.#commits > 0;
  }

  append(id: RangeId, entries: readonly Entry[]): void {
    this.#entries += entries.length;
    this.store.append(id, entries);
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
    this.#slow.look();
    if (!this.#needsCommit || this.#hasFailed || this.#commits === MAX_COMMITS) return;
    const { store } = this;
    const { clockMs, onCommit } = this.#options;
    const actions = this.#actions;
    const entries = this.#entries;
    const bytes = store.gatheredBytes;
    const startMs = clockMs();
    this.#actions = [];
    this.#entries = 0;
    this.#needsCommit = false;
    this.#commits += 1;
    this.#slow.began();
    store.commit().then(
      () => {
        onCommit({ store, entries, bytes, ms: clockMs() - startMs });
        this.#committed(actions);
      },
      (error: unknown) => this.#failed(error),
    );
  }

  #committed(actions: readonly (() => void)[]): void {
    if (this.#hasFailed) return;
    this.#commits -= 1;
    this.#slow.ended();
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
