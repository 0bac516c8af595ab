/**
 * One message on its way to one inbox, and the message itself, which all inboxes of an owner share.
 *
 * A publish to many inboxes stores its message once; each inbox holds a small Delivery that points
 * to it. The gauges follow from that: `inbox_messages` counts deliveries that hold a message,
 * `inbox_bytes` counts each message once.
 */

import { assert } from "../base/assert.ts";
import { Counter } from "../metrics/counter-table.ts";
import type { Message } from "../mqtt/message.ts";
import { messageContentBytes, messageFootprint } from "../mqtt/message-codec.ts";
import type { QueueBudget } from "./queue-budget.ts";

const NO_IDENTIFIERS: readonly number[] = Object.freeze([]);

export class StoredMessage {
  readonly message: Message;
  readonly footprint: number;
  /** Deliveries that hold it; kept by MessageStore. */
  references = 0;

  constructor(message: Message) {
    this.message = message;
    this.footprint = messageFootprint(message);
  }
}

/** How the matched subscriptions of one inbox want one message. */
export interface DeliveryForm {
  readonly qos: number;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  readonly shareFilter: string | null;
}

export class Delivery {
  /** Null once the client has it: past PUBREC, or acknowledged. */
  stored: StoredMessage | null;
  qos: number;
  retain: boolean;
  subscriptionIdentifiers: readonly number[];
  shareFilter: string | null;
  /** 0 until first sent. */
  packetId = 0;
  /**
   * Place among the exchanges: set when sent, and again at PUBREC, so that PUBRELs keep the order
   * of the PUBRECs.
   */
  order = 0;
  /** Sent on the present attachment: it takes room in the client's window. */
  isOutstanding = false;

  constructor(stored: StoredMessage | null, form: DeliveryForm) {
    this.stored = stored;
    this.qos = form.qos;
    this.retain = form.retain;
    this.subscriptionIdentifiers = form.subscriptionIdentifiers;
    this.shareFilter = form.shareFilter;
  }

  /** Footprint of the message it holds; 0 when it holds none. */
  get footprint(): number {
    return this.stored === null ? 0 : this.stored.footprint;
  }
}

/** A delivery to reuse for messages that are pushed at once and never kept. */
export function emptyDelivery(): Delivery {
  return new Delivery(null, {
    qos: 0,
    retain: false,
    subscriptionIdentifiers: NO_IDENTIFIERS,
    shareFilter: null,
  });
}

/** Counts who holds which message, into the gauges of this thread. */
export class MessageStore {
  readonly #counters: Float64Array;
  /** Memory held, all tenants and by tenant. */
  #bytes = 0;
  readonly #tenantBytes = new Map<string, number>();

  constructor(counters: Float64Array) {
    this.#counters = counters;
  }

  /** True when the message is held already, or fits what tenant and worker may hold. */
  hasRoom(stored: StoredMessage, budget: QueueBudget): boolean {
    if (stored.references > 0) return true;
    if (this.#bytes + stored.footprint > budget.workerBytes) return false;
    const tenantBytes = this.#tenantBytes.get(stored.message.tenantId) ?? 0;
    return tenantBytes + stored.footprint <= budget.tenantBytes;
  }

  acquire(stored: StoredMessage): void {
    stored.references += 1;
    this.#counters[Counter.INBOX_MESSAGES]! += 1;
    if (stored.references === 1) {
      this.#counters[Counter.INBOX_BYTES]! += messageContentBytes(stored.message);
      this.#hold(stored, stored.footprint);
    }
  }

  /** Takes the message out of `delivery`. */
  release(delivery: Delivery): void {
    const stored = delivery.stored;
    if (stored === null) return;
    assert(stored.references > 0, "released as often as acquired");
    delivery.stored = null;
    stored.references -= 1;
    this.#counters[Counter.INBOX_MESSAGES]! -= 1;
    if (stored.references === 0) {
      this.#counters[Counter.INBOX_BYTES]! -= messageContentBytes(stored.message);
      this.#hold(stored, -stored.footprint);
    }
  }

  #hold(stored: StoredMessage, bytes: number): void {
    const { tenantId } = stored.message;
    const tenantBytes = (this.#tenantBytes.get(tenantId) ?? 0) + bytes;
    this.#bytes += bytes;
    if (tenantBytes === 0) this.#tenantBytes.delete(tenantId);
    else this.#tenantBytes.set(tenantId, tenantBytes);
  }
}
