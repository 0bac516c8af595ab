/**
 * Does what inbox ranges owe to others, and says so to their logs: wills are published, routes of
 * sessions that are over are removed, undelivered messages of shared groups go to other members,
 * and the operator hears of messages that a session has missed.
 *
 * A shared message waits until all routes of the session that had it are gone: given away earlier,
 * it could come back. What fails is done again, less and less often; what the disk has no room for,
 * when it has. What is too large to be stored anywhere is settled: it never will be.
 * Thread: worker. Scope: one per InboxService.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { writeOutboxDone } from "../../shared/inbox/log-command.ts";
import { bucketOfId } from "../../shared/inbox/range/inbox-key.ts";
import type {
  OutboxRecord,
  OwedRedispatch,
  OwedRoutes,
  OwedWill,
} from "../../shared/inbox/range/outbox.ts";
import { PublishOutcome } from "../dist/dist-api.ts";
import { type InboxHost, InsertStatus } from "./inbox-api.ts";
import type { InboxRanges } from "./inbox-ranges.ts";
import { storedRouteOf } from "./stored-route.ts";

/** What has failed waits so long at first, then twice as long each time. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 16_000;
/** Done again in one turn: a disk that has space again may have kept thousands waiting. */
const RETRY_COUNT = 256;

/** What the runner needs to know of the ranges, and what it tells them. */
export interface OutboxOwner {
  /** Is the session of that incarnation alive, and subscribed to `filter`? */
  wants(incarnation: number, filter: string): boolean;
  /** The routes are removed: who waits for that may know. */
  removed(record: OutboxRecord): void;
}

/** What is under way for a session that is over, or has unsubscribed. */
interface Removing {
  /** Identifiers of the records whose routes are being removed. */
  readonly records: Set<number>;
  /** What waits for the last of them. */
  readonly waiting: OutboxRecord[];
}

export class OutboxRunner {
  readonly #host: InboxHost;
  readonly #ranges: InboxRanges;
  readonly #owner: OutboxOwner;
  /** What cannot be done before the other workers are there; null: they are. */
  #early: OutboxRecord[] | null = [];
  /** By incarnation. */
  readonly #removing = new Map<number, Removing>();
  readonly #failed = new RingQueue<OutboxRecord>();
  /** Of those, how many the round under way has not come to. */
  #roundLeft = 0;
  /** Of the next round; Infinity: nothing has failed since the last one began. */
  #retryAtMs = Number.POSITIVE_INFINITY;
  #waitMs = FIRST_WAIT_MS;
  /** What waits for space on the disk. */
  readonly #unstored = new RingQueue<OutboxRecord>();
  /**
   * Wills that nobody has had, because nobody can say who wants them until all routes are there.
   */
  readonly #unrouted = new RingQueue<OutboxRecord>();

  constructor(host: InboxHost, ranges: InboxRanges, owner: OutboxOwner) {
    this.#host = host;
    this.#ranges = ranges;
    this.#owner = owner;
  }

  /** All workers know all routes: what was owed by an earlier life can be done. */
  open(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const record of early) this.run(record);
  }

  /** When something is to be done again; Infinity: nothing is. */
  get nextDeadlineMs(): number {
    if (this.#unstored.size > 0 && !this.#ranges.isDiskFull) return 0;
    if (this.#unrouted.size > 0 && this.#ranges.areRoutesWhole) return 0;
    return this.#failed.size > 0 ? this.#retryAtMs : Number.POSITIVE_INFINITY;
  }

  run(record: OutboxRecord): void {
    if (this.#early !== null) this.#early.push(record);
    else this.#do(record, false);
  }

  /** Does again what is due. */
  retry(nowMs: number): void {
    if (!this.#ranges.isDiskFull) {
      const count = Math.min(this.#unstored.size, RETRY_COUNT);
      for (let left = count; left > 0; left--) this.#do(this.#unstored.shift()!, true);
    }
    if (this.#ranges.areRoutesWhole) {
      const count = Math.min(this.#unrouted.size, RETRY_COUNT);
      for (let left = count; left > 0; left--) this.#do(this.#unrouted.shift()!, false);
    }
    if (this.#failed.size === 0 || nowMs < this.#retryAtMs) return;
    if (this.#roundLeft === 0) this.#roundLeft = this.#failed.size;
    const count = Math.min(this.#roundLeft, RETRY_COUNT);
    this.#roundLeft -= count;
    if (this.#roundLeft === 0) this.#retryAtMs = Number.POSITIVE_INFINITY;
    for (let left = count; left > 0; left--) this.#do(this.#failed.shift()!, true);
    if (this.#failed.size > 0) this.#planRound();
  }

  /** `isAgain`: whoever had it without its being stored is spared. */
  #do(record: OutboxRecord, isAgain: boolean): void {
    const { owed } = record;
    if (owed.kind === "routes") {
      this.#removeRoutes(record, owed);
    } else if (owed.kind === "redispatch") {
      const removing = this.#removing.get(owed.incarnation);
      if (removing === undefined) this.#redispatch(record, owed);
      else removing.waiting.push(record);
    } else if (owed.kind === "missed") {
      this.#host.missed(owed);
      this.#settle(record);
    } else {
      this.#publish(record, owed, isAgain);
    }
  }

  #publish(record: OutboxRecord, will: OwedWill, isAgain: boolean): void {
    if (!isAgain && !this.#ranges.areRoutesWhole) {
      this.#unrouted.push(record);
      return;
    }
    const allowed = this.#host.mayPublishWill(will);
    const go = (isAllowed: boolean) => {
      if (isAllowed) this.#publishAllowed(record, will, isAgain);
      else this.#settle(record);
    };
    if (typeof allowed === "boolean") go(allowed);
    else void allowed.then(go);
  }

  #publishAllowed(record: OutboxRecord, { message }: OwedWill, isAgain: boolean): void {
    const wasFull = this.#ranges.isDiskFull;
    const settled = (outcome: PublishOutcome) => {
      if (outcome === PublishOutcome.FAILED) this.#fail(record);
      else if (outcome === PublishOutcome.NO_ROOM && wasFull) this.#unstored.push(record);
      else this.#settle(record);
    };
    this.#host.publisher.publish(message, settled, isAgain);
  }

  #redispatch(record: OutboxRecord, { message, shareFilter }: OwedRedispatch): void {
    const wasFull = this.#ranges.isDiskFull;
    this.#host.redispatch(message, shareFilter, (status) => {
      if (status === InsertStatus.UNAVAILABLE) this.#fail(record);
      else if (status === InsertStatus.NO_ROOM && wasFull) this.#unstored.push(record);
      else this.#settle(record);
    });
  }

  #removeRoutes(record: OutboxRecord, owed: OwedRoutes): void {
    const { incarnation, filters } = owed;
    let removing = this.#removing.get(incarnation);
    if (removing === undefined) {
      removing = { records: new Set(), waiting: [] };
      this.#removing.set(incarnation, removing);
    }
    removing.records.add(record.id);
    let filtersLeft = filters.length;
    let hasFailed = false;
    const finishOne = (isDone: boolean) => {
      filtersLeft -= 1;
      hasFailed ||= !isDone;
      if (filtersLeft > 0) return;
      if (hasFailed) this.#fail(record);
      else this.#routesRemoved(record, incarnation);
    };
    for (const filter of filters) {
      // What is done again comes late: the session may have subscribed once more.
      if (this.#owner.wants(incarnation, filter)) finishOne(true);
      else this.#host.routes.removeInboxRoute(storedRouteOf(owed, filter), finishOne);
    }
  }

  #routesRemoved(record: OutboxRecord, incarnation: number): void {
    this.#owner.removed(record);
    this.#settle(record);
    const removing = this.#removing.get(incarnation)!;
    removing.records.delete(record.id);
    if (removing.records.size > 0) return;
    this.#removing.delete(incarnation);
    for (const waiting of removing.waiting) this.run(waiting);
  }

  #settle(record: OutboxRecord): void {
    this.#waitMs = FIRST_WAIT_MS;
    writeOutboxDone(this.#ranges.writer(bucketOfId(record.id)), record.id);
  }

  #fail(record: OutboxRecord): void {
    this.#failed.push(record);
    this.#planRound();
  }

  #planRound(): void {
    if (this.#retryAtMs !== Number.POSITIVE_INFINITY) return;
    this.#retryAtMs = this.#host.nowMs() + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
  }
}
