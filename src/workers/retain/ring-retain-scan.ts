/**
 * One scan as its reader holds it: which partition it is at, and how many messages it may still
 * hand out.
 *
 * A filter without wildcards has one partition; any other visits them all, one after the other, so
 * that at most one batch is under way. A partition whose worker dies has lost its messages: the
 * scan goes on with the next.
 * Thread: worker. Scope: one per subscription being served.
 */

import { assert } from "../../shared/base/assert.ts";
import { RetainedBatch } from "../../shared/retain/retained-batch.ts";
import type { RetainForm, RetainScan } from "./retain-api.ts";

type BatchHandler = (batch: RetainedBatch, isEnd: boolean) => void;

/** How a scan reaches the partitions; implemented by the client. */
export interface ScanRequester {
  /** Opens the scan at a partition and asks for its first batch. */
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
  /** First and last thread to ask. */
  readonly firstThread: number;
  readonly lastThread: number;
}

/** Never filled. */
const NO_MESSAGES = new RetainedBatch();

export class RingRetainScan implements RetainScan {
  readonly plan: ScanPlan;
  readonly #requester: ScanRequester;
  #thread: number;
  #isOpenThere = false;
  #isOver = false;
  #left: number;
  #wanted = 0;
  #done: BatchHandler | null = null;

  constructor(plan: ScanPlan, requester: ScanRequester) {
    this.plan = plan;
    this.#requester = requester;
    this.#thread = plan.firstThread;
    this.#left = plan.limit === 0 ? Number.POSITIVE_INFINITY : plan.limit;
  }

  next(maxMessages: number, done: BatchHandler): void {
    assert(maxMessages >= 1 && this.#done === null, "one batch of at least one message at a time");
    if (this.#isOver) {
      done(NO_MESSAGES, true);
      return;
    }
    this.#done = done;
    this.#wanted = Math.min(maxMessages, this.#left);
    this.#ask();
  }

  cancel(): void {
    this.#done = null;
    this.#end();
  }

  handleBatch(batch: RetainedBatch, isPartitionEnd: boolean): void {
    if (this.#isOver) return;
    this.#left -= batch.size;
    if (isPartitionEnd) this.#leavePartition();
    if (this.#left === 0) this.#end();
    // Nothing found yet: the walk there is limited per call, or that partition has nothing.
    if (batch.size === 0 && !this.#isOver) this.#ask();
    else this.#answer(batch);
  }

  /** A worker died. */
  peerLost(thread: number): void {
    if (this.#isOver || thread !== this.#thread || !this.#isOpenThere) return;
    this.#leavePartition();
    if (this.#done === null) return;
    if (this.#isOver) this.#answer(NO_MESSAGES);
    else this.#ask();
  }

  #ask(): void {
    if (this.#isOpenThere) {
      this.#requester.more(this, this.#thread, this.#wanted);
      return;
    }
    this.#isOpenThere = true;
    this.#requester.open(this, this.#thread, this.#wanted);
  }

  #leavePartition(): void {
    this.#isOpenThere = false;
    if (this.#thread === this.plan.lastThread) this.#end();
    else this.#thread += 1;
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
