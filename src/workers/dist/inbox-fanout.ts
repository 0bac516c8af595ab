/**
 * Gathers the inboxes that one publish goes to, one insert command per owning worker, each inbox
 * once. Thread: worker. Scope: one per publisher; reused, never across publishes.
 */

import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import type { InboxClient, InboxReceiver } from "../inbox/inbox-api.ts";
import type { BorrowedPublish } from "./borrowed-publish.ts";
import type { InboxRoute } from "./match-index.ts";
import type { PendingPublish } from "./pending-publish.ts";
import type { ShareMember } from "./share-group.ts";

interface Receiver {
  clientId: string;
  qos: number;
  retain: boolean;
  subscriptionIdentifiers: number[];
  shareFilter: string | null;
}

export class InboxFanout {
  readonly #inbox: InboxClient;
  /** By owning worker. */
  #receivers = new Map<number, Receiver[]>();
  /** Overlapping subscriptions: the receiver each client has already. */
  readonly #byClient = new Map<string, Receiver>();
  #inboxesLeft = 0;
  #bytesLeft = 0;
  #payloadLength = 0;
  /** Inboxes left out by MaxPersistentFanout or MaxPersistentFanoutBytes. */
  limited = 0;

  constructor(inbox: InboxClient) {
    this.#inbox = inbox;
  }

  begin(settings: TenantSettings, payloadLength: number): void {
    this.#inboxesLeft = settings.MaxPersistentFanout;
    this.#bytesLeft = settings.MaxPersistentFanoutBytes;
    this.#payloadLength = payloadLength;
    this.limited = 0;
  }

  /** False when the route does not want this publish. */
  add(publish: BorrowedPublish, route: InboxRoute): boolean {
    const options = route.options;
    // [MQTT-3.8.3-3]
    if (options.noLocal && route.clientId === publish.publisherId) return false;
    const qos = Math.min(publish.qos, options.qos);
    const retain = options.retainAsPublished && publish.retain;
    const known = this.#byClient.get(route.clientId);
    if (known !== undefined) {
      // [MQTT-3.3.4-2] [MQTT-3.3.4-4]
      known.qos = Math.max(known.qos, qos);
      known.retain ||= retain;
      if (options.subscriptionIdentifier !== 0) {
        known.subscriptionIdentifiers.push(options.subscriptionIdentifier);
      }
      return true;
    }
    if (this.#inboxesLeft === 0 || this.#bytesLeft < this.#payloadLength) {
      this.limited += 1;
      return false;
    }
    this.#inboxesLeft -= 1;
    this.#bytesLeft -= this.#payloadLength;
    const receiver = {
      clientId: route.clientId,
      qos,
      retain,
      subscriptionIdentifiers:
        options.subscriptionIdentifier === 0 ? [] : [options.subscriptionIdentifier],
      shareFilter: null,
    };
    this.#byClient.set(route.clientId, receiver);
    this.#push(this.#inbox.ownerThread(publish.tenantId, route.clientId), receiver);
    return true;
  }

  addShared(publish: BorrowedPublish, member: ShareMember, shareFilter: string): void {
    const options = member.options;
    this.#push(this.#inbox.ownerThread(publish.tenantId, member.clientId), {
      clientId: member.clientId,
      qos: Math.min(publish.qos, options.qos),
      retain: options.retainAsPublished && publish.retain,
      subscriptionIdentifiers:
        options.subscriptionIdentifier === 0 ? [] : [options.subscriptionIdentifier],
      shareFilter,
    });
  }

  /** Sends what was gathered and starts over. */
  send(publish: BorrowedPublish, pending: PendingPublish | null): void {
    if (this.#receivers.size === 0) return;
    // Below the test: clearing a map makes it anew, even an empty one.
    this.#byClient.clear();
    const gathered = this.#receivers;
    this.#receivers = new Map();
    const message = publish.own();
    for (const [owner, receivers] of gathered) {
      const done = pending !== null && needsStore(receivers) ? pending.expectInserted() : null;
      this.#inbox.insert(owner, message, receivers, done);
    }
  }

  #push(thread: number, receiver: Receiver): void {
    const receivers = this.#receivers.get(thread);
    if (receivers === undefined) this.#receivers.set(thread, [receiver]);
    else receivers.push(receiver);
  }
}

function needsStore(receivers: readonly InboxReceiver[]): boolean {
  return receivers.some((receiver) => receiver.qos > 0);
}
