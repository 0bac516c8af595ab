/**
 * Sessions that are over while other workers still hold their routes.
 *
 * Two things wait for the last worker to drop them. Messages for a session of that name are
 * refused, so that a new session never gets what its predecessor's subscriptions matched. And
 * undelivered share-group messages are kept: given away earlier, they could be sent to the very
 * member that is gone.
 * Thread: the owner. Scope: one per InboxStore.
 */

import { assert } from "../base/assert.ts";
import type { Message } from "../mqtt/message.ts";
import type { Inbox } from "./inbox.ts";
import type { InboxOutput } from "./inbox-output.ts";

interface LeftOver {
  readonly message: Message;
  readonly shareFilter: string;
}

export class EndedInboxes {
  readonly #output: InboxOutput;
  readonly #leftOvers = new Map<Inbox, LeftOver[]>();
  /**
   * How many ended inboxes of that name still have routes: sessions can be replaced faster than
   * routes.
   */
  readonly #names = new Map<string, number>();

  constructor(output: InboxOutput) {
    this.#output = output;
  }

  /** True while routes of an earlier session of that name are on their way out. */
  has(tenantId: string, clientId: string): boolean {
    return this.#names.size > 0 && this.#names.has(nameOf(tenantId, clientId));
  }

  /** Lets go of everything the inbox holds, and removes its routes. */
  add(inbox: Inbox): void {
    const leftOvers: LeftOver[] = [];
    inbox.outbound.end((message, shareFilter) => leftOvers.push({ message, shareFilter }));
    const filters = [...inbox.subscriptions.keys()];
    inbox.subscriptions.clear();
    inbox.routesLeaving += filters.length;
    this.#leftOvers.set(inbox, leftOvers);
    const name = nameOf(inbox.tenantId, inbox.clientId);
    this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
    for (const filter of filters) {
      this.#output.removeRoute({ inbox, filter, thread: 0, request: 0 });
    }
    if (filters.length === 0 && inbox.routesLeaving === 0) this.#finish(inbox);
  }

  /**
   * All workers have removed one route of `inbox`, which may be alive: it has only unsubscribed.
   */
  routeRemoved(inbox: Inbox): void {
    assert(inbox.routesLeaving > 0, "a route is removed once");
    inbox.routesLeaving -= 1;
    if (inbox.routesLeaving === 0 && this.#leftOvers.has(inbox)) this.#finish(inbox);
  }

  #finish(inbox: Inbox): void {
    const leftOvers = this.#leftOvers.get(inbox)!;
    this.#leftOvers.delete(inbox);
    const name = nameOf(inbox.tenantId, inbox.clientId);
    const others = this.#names.get(name)! - 1;
    if (others === 0) this.#names.delete(name);
    else this.#names.set(name, others);
    for (const { message, shareFilter } of leftOvers) this.#output.redispatch(message, shareFilter);
  }
}

/** U+0000 occurs in no tenant and no client identifier [MQTT-1.5.4-2]. */
function nameOf(tenantId: string, clientId: string): string {
  return `${tenantId}\u0000${clientId}`;
}
