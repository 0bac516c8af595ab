/**
 * One scan as its reader holds it: which worker it is at, and how many messages it may still hand
 * out.
 *
 * A filter without wildcards concerns one worker; any other visits all that hold ranges, one after
 * the other, so that at most one batch is under way. When a worker dies the scan goes on with the
 * next, and says that it is not whole: what lay there comes with the next subscription, or when the
 * stored session comes back.
 * Thread: worker. Scope: one per subscription being served.
 */

import { assert } from "../../shared/base/assert.ts";
import { RetainedBatch } from "../../shared/retain/retained-batch.ts";
import type { RetainForm, RetainScan } from "./retain-api.ts";

type BatchHandler = (batch: RetainedBatch, isEnd: boolean) => void;

/** How a scan reaches the workers; implemented by the client. */
export interface ScanRequester {
  /** Calls `ready` when what this worker has stored so far can be found. */
  whenStored(ready: () => void): void;
  /** Opens the scan at a worker and asks for its first batch. */
  open(scan: RingRetainScan, thread: number, maxMessages: number): void;
  /** Asks for another batch of the scan opened there. */
  more(scan: RingRetainScan, thread: number, maxMessages: number): void;
  /** The scan is over; `isOpenThere`: its cursor at `thread` still waits. */
  forget(scan: RingRetainScan, thread: number, isOpenThere: boolean): void;
}

export interface ScanPlan {
  readonly scanId: number;
  readonly tenantId: string;
  readonly filter: string;
  /** Messages to hand out at most; 0 = all. */
  readonly limit: number;
  readonly form: RetainForm;
  /** Whom to ask, in this order. */
  readonly threads: readonly number[];
  /** They have all that may match. */
  readonly isWhole: boolean;
}

/** Never filled. */
const NO_MESSAGES = new RetainedBatch();

export class RingRetainScan implements RetainScan {
  readonly plan: ScanPlan;
  readonly #requester: ScanRequester;
  /** Position in `plan.threads`. */
  #at = 0;
  /** What this worker had stored when the scan began can be found. */
  #isReady = false;
  #isOpenThere = false;
  #isOver = false;
  #isWhole: boolean;
  #left: number;
  #wanted = 0;
  #done: BatchHandler | null = null;

  constructor(plan: ScanPlan, requester: ScanRequester) {
    this.plan = plan;
    this.#requester = requester;
    this.#isWhole = plan.isWhole;
    this.#left = plan.limit === 0 ? Number.POSITIVE_INFINITY : plan.limit;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  next(maxMessages: number, done: BatchHandler): void {
    assert(maxMessages >= 1 && this.#done === null, "one batch of at least one message at a time");
    if (this.plan.threads.length === 0) this.#end();
    if (this.#isOver) {
      done(NO_MESSAGES, true);
      return;
    }
    this.#done = done;
    this.#wanted = Math.min(maxMessages, this.#left);
    if (this.#isReady) this.#ask();
    else this.#requester.whenStored(() => this.#begin());
  }

  cancel(): void {
    this.#done = null;
    this.#end();
  }

  handleBatch(batch: RetainedBatch, isEndThere: boolean): void {
    if (this.#isOver) return;
    this.#left -= batch.size;
    if (isEndThere) this.#leaveThread();
    if (this.#left === 0) this.#end();
    // Nothing found yet: the walk there is limited per call, or that partition has nothing.
    if (batch.size === 0 && !this.#isOver) this.#ask();
    else this.#answer(batch);
  }

  /** A worker died. */
  peerLost(thread: number): void {
    if (this.#isOver || thread !== this.#thread || !this.#isOpenThere) return;
    this.#isWhole = false;
    this.#leaveThread();
    if (this.#done === null) return;
    if (this.#isOver) this.#answer(NO_MESSAGES);
    else this.#ask();
  }

  get #thread(): number {
    return this.plan.threads[this.#at] ?? 0;
  }

  #begin(): void {
    this.#isReady = true;
    // Null: cancelled meanwhile.
    if (this.#done !== null) this.#ask();
  }

  #ask(): void {
    if (this.#isOpenThere) {
      this.#requester.more(this, this.#thread, this.#wanted);
      return;
    }
    this.#isOpenThere = true;
    this.#requester.open(this, this.#thread, this.#wanted);
  }

  #leaveThread(): void {
    this.#isOpenThere = false;
    if (this.#at === this.plan.threads.length - 1) this.#end();
    else this.#at += 1;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#requester.forget(this, this.#thread, this.#isOpenThere);
  }

  #answer(batch: RetainedBatch): void {
    const done = this.#done;
    this.#done = null;
    done?.(batch, this.#isOver);
  }
}
