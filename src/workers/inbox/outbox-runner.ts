/**
 * Does what inbox ranges owe to others, and says so to their logs: wills are published, routes of
 * sessions that are over are removed, undelivered messages of shared groups go to other members.
 *
 * A shared message waits until all routes of the session that had it are gone: given away earlier,
 * it could come back. What fails is done again.
 * Thread: worker. Scope: one per InboxService.
 */

import { writeOutboxDone } from "../../shared/inbox/log-command.ts";
import { bucketOfId } from "../../shared/inbox/range/inbox-key.ts";
import type { OutboxRecord, OwedRedispatch, OwedRoutes } from "../../shared/inbox/range/outbox.ts";
import { splitShareFilter } from "../../shared/topic/share-filter.ts";
import { PublishOutcome } from "../dist/dist-api.ts";
import type { InboxHost } from "./inbox-api.ts";
import type { InboxRanges } from "./inbox-ranges.ts";

export class OutboxRunner {
  readonly #host: InboxHost;
  readonly #ranges: InboxRanges;
  /** Tells who waits for the removal of a route. */
  readonly #removed: (record: OutboxRecord) => void;
  /** What cannot be done before the other workers are there; null: they are. */
  #early: OutboxRecord[] | null = [];
  /**
   * By incarnation: filters whose routes are being removed, and what waits for the last of them.
   */
  readonly #removing = new Map<number, { left: number; readonly waiting: OutboxRecord[] }>();
  #failed: OutboxRecord[] = [];

  constructor(host: InboxHost, ranges: InboxRanges, removed: (record: OutboxRecord) => void) {
    this.#host = host;
    this.#ranges = ranges;
    this.#removed = removed;
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
    const { tenantId, clientId, incarnation, filters } = owed;
    let removing = this.#removing.get(incarnation);
    if (removing === undefined) {
      removing = { left: 0, waiting: [] };
      this.#removing.set(incarnation, removing);
    }
    removing.left += 1;
    let filtersLeft = filters.length;
    for (const requested of filters) {
      const share = splitShareFilter(requested);
      const filter = share === null ? requested : share.filter;
      this.#host.routes.removeInboxRoute({ tenantId, clientId, incarnation, filter, share }, () => {
        filtersLeft -= 1;
        if (filtersLeft === 0) this.#routesRemoved(record, incarnation);
      });
    }
  }

  #routesRemoved(record: OutboxRecord, incarnation: number): void {
    this.#removed(record);
    this.#settle(record, true);
    const removing = this.#removing.get(incarnation)!;
    removing.left -= 1;
    if (removing.left > 0) return;
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
