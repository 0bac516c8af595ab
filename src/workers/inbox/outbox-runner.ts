/**
 * Does what inbox ranges owe to others, and says so to their logs: wills are published, routes of
 * sessions that are over are removed, undelivered messages of shared groups go to other members,
 * and the operator hears of messages that a session has missed.
 *
 * A shared message waits until all routes of the session that had it are gone: given away earlier,
 * it could come back. What fails is done again.
 * Thread: worker. Scope: one per InboxService.
 */

import { writeOutboxDone } from "../../shared/inbox/log-command.ts";
import { bucketOfId } from "../../shared/inbox/range/inbox-key.ts";
import type { OutboxRecord, OwedRedispatch, OwedRoutes } from "../../shared/inbox/range/outbox.ts";
import { PublishOutcome } from "../dist/dist-api.ts";
import type { InboxHost } from "./inbox-api.ts";
import type { InboxRanges } from "./inbox-ranges.ts";
import { storedRouteOf } from "./stored-route.ts";

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
  #failed: OutboxRecord[] = [];

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

  /** Something is to be done again. */
  get hasFailed(): boolean {
    return this.#failed.length > 0;
  }

  run(record: OutboxRecord): void {
    const { owed } = record;
    if (this.#early !== null) {
      this.#early.push(record);
    } else if (owed.kind === "routes") {
      this.#removeRoutes(record, owed);
    } else if (owed.kind === "redispatch") {
      const removing = this.#removing.get(owed.incarnation);
      if (removing === undefined) this.#redispatch(record, owed);
      else removing.waiting.push(record);
    } else if (owed.kind === "missed") {
      this.#host.missed(owed);
      this.#settle(record, true);
    } else {
      this.#host.publisher.publish(owed.message, (outcome) => {
        this.#settle(record, outcome !== PublishOutcome.FAILED);
      });
    }
  }

  /** Does again what has failed. */
  retry(): void {
    const failed = this.#failed;
    this.#failed = [];
    for (const record of failed) this.run(record);
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
      if (hasFailed) this.#failed.push(record);
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
    this.#settle(record, true);
    const removing = this.#removing.get(incarnation)!;
    removing.records.delete(record.id);
    if (removing.records.size > 0) return;
    this.#removing.delete(incarnation);
    for (const waiting of removing.waiting) this.run(waiting);
  }

  #redispatch(record: OutboxRecord, { message, shareFilter }: OwedRedispatch): void {
    this.#host.redispatch(message, shareFilter, (isSettled) => this.#settle(record, isSettled));
  }

  #settle(record: OutboxRecord, isDone: boolean): void {
    if (isDone) writeOutboxDone(this.#ranges.writer(bucketOfId(record.id)), record.id);
    else this.#failed.push(record);
  }
}
