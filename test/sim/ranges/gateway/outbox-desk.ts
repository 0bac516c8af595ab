/**
 * Does what inbox ranges owe to others, and says so to their logs. Who takes a reign over is owed
 * everything again that was not said to be done.
 */

import { writeOutboxDone } from "../../../../src/shared/inbox/log-command.ts";
import { bucketOfId } from "../../../../src/shared/inbox/range/inbox-key.ts";
import type { OutboxRecord, OwedRoutes } from "../../../../src/shared/inbox/range/outbox.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { payloadOf } from "../../../helpers/service-workers.ts";
import type { Origin } from "../node/output-tap.ts";
import type { FrontDesk } from "./front-desk.ts";
import { routingKey } from "./gateway-command.ts";

export class OutboxDesk {
  readonly #desk: FrontDesk;
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
    if (owed.kind === "will") this.#desk.wills.owed(payloadOf(owed.message) ?? "", nowMs);
    this.#settle(record, boot);
  }

  #removeRoutes(record: OutboxRecord, owed: OwedRoutes, boot: number): void {
    const { tenantId, clientId, incarnation, filters } = owed;
    const isWanted = () => this.#stands(record, boot);
    let left = filters.length;
    const done = () => {
      left -= 1;
      if (left > 0) return;
      const { requester } = record;
      if (requester !== null) this.#desk.answer(requester.request, [1]);
      this.#settle(record, boot);
    };
    for (const filter of filters) {
      const route = { tenantId, filter, group: "", isOrdered: false, clientId, incarnation };
      // What is done again comes late: the session may have subscribed once more.
      if (this.#desk.wants(incarnation, filter)) done();
      else this.#desk.routes.change({ route, options: null, isWanted, done });
    }
  }

  /** Says so, a little later. */
  #settle(record: OutboxRecord, boot: number): void {
    const { id } = record;
    this.#open += 1;
    this.#desk.later(() => {
      this.#open -= 1;
      this.#desk.propose({
        service: ServiceId.INBOX,
        key: routingKey(bucketOfId(id)),
        write: (writer) => writeOutboxDone(writer, id),
        isOver: () => !this.#stands(record, boot),
        lost: () => {},
      });
    });
  }

  /** True while the process that owes it may still serve it. */
  #stands({ id }: OutboxRecord, boot: number): boolean {
    const reign = this.#desk.gateway.reignOf(ServiceId.INBOX, routingKey(bucketOfId(id)));
    return reign === null ? this.#desk.isAlive(boot) : reign.node.boot === boot;
  }
}
