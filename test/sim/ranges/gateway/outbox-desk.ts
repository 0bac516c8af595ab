/**
 * Does what inbox ranges owe to others, and says so to their logs. Who takes a reign over is owed
 * everything again that was not said to be done.
 */

import { writeOutboxDone } from "../../../../src/shared/inbox/log-command.ts";
import { bucketOfId } from "../../../../src/shared/inbox/range/inbox-key.ts";
import type {
  OutboxRecord,
  OwedRedispatch,
  OwedRoutes,
} from "../../../../src/shared/inbox/range/outbox.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { storedRouteOf } from "../../../../src/workers/inbox/stored-route.ts";
import { payloadOf } from "../../../helpers/service-workers.ts";
import { numberOf } from "../clients/client-exchanges.ts";
import type { Origin } from "../node/output-tap.ts";
import type { FrontDesk } from "./front-desk.ts";
import { routingKey } from "./gateway-command.ts";

export class OutboxDesk {
  readonly #desk: FrontDesk;
  /** By incarnation: the records of routes that are being removed. */
  readonly #removing = new Map<number, Set<number>>();
  #open = 0;

  constructor(desk: FrontDesk) {
    this.#desk = desk;
  }

  get isIdle(): boolean {
    return this.#open === 0;
  }

  owe(record: OutboxRecord, { boot, nowMs }: Origin): void {
    const { owed } = record;
    if (owed.kind === "routes") {
      this.#removeRoutes(record, owed, boot);
      return;
    }
    if (owed.kind === "redispatch") {
      const number = numberOf(payloadOf(owed.message) ?? "");
      this.#desk.groups.handedOver(number, owed.incarnation);
      this.#giveAway(record, owed, boot);
      return;
    }
    // What a session has missed is told to the log of events, which is not simulated.
    if (owed.kind === "will") this.#desk.wills.owed(payloadOf(owed.message) ?? "", nowMs);
    this.#settle(record, boot);
  }

  /** When all routes of the session that had it are gone: earlier, it could come back. */
  #giveAway(record: OutboxRecord, owed: OwedRedispatch, boot: number): void {
    if (!this.#stands(record, boot)) return;
    const again = () => this.#later(() => this.#giveAway(record, owed, boot));
    if ((this.#removing.get(owed.incarnation)?.size ?? 0) > 0) {
      again();
      return;
    }
    this.#open += 1;
    this.#desk.publisher.receivers.redispatch(owed.message, owed.shareFilter, (isDone) => {
      this.#open -= 1;
      if (isDone) this.#settle(record, boot);
      else again();
    });
  }

  #removeRoutes(record: OutboxRecord, owed: OwedRoutes, boot: number): void {
    const { tenantId, clientId, incarnation, filters } = owed;
    const isWanted = () => this.#stands(record, boot);
    let left = filters.length;
    const removing = this.#removing.get(incarnation) ?? new Set();
    this.#removing.set(incarnation, removing.add(record.id));
    const done = () => {
      left -= 1;
      if (left > 0) return;
      removing.delete(record.id);
      const { requester } = record;
      if (requester !== null) this.#desk.answer(requester.request, [1]);
      this.#settle(record, boot);
    };
    for (const filter of filters) {
      const route = storedRouteOf({ tenantId, clientId, incarnation }, filter);
      // What is done again comes late: the session may have subscribed once more.
      if (this.#desk.wants(incarnation, filter)) done();
      else this.#desk.routes.change({ route, options: null, isWanted, done });
    }
  }

  /** Says so, a little later. */
  #settle(record: OutboxRecord, boot: number): void {
    const { id } = record;
    this.#later(() => {
      this.#desk.propose({
        service: ServiceId.INBOX,
        key: routingKey(bucketOfId(id)),
        write: (writer) => writeOutboxDone(writer, id),
        isOver: () => !this.#stands(record, boot),
        lost: () => {},
      });
    });
  }

  #later(action: () => void): void {
    this.#open += 1;
    this.#desk.later(() => {
      this.#open -= 1;
      action();
    });
  }

  /** True while the process that owes it may still serve it. */
  #stands({ id }: OutboxRecord, boot: number): boolean {
    const reign = this.#desk.gateway.reignOf(ServiceId.INBOX, routingKey(bucketOfId(id)));
    return reign === null ? this.#desk.isAlive(boot) : reign.node.boot === boot;
  }
}
