/**
 * Gathers the inboxes that one publish goes to, each inbox once. What a range does not know any
 * more of a shared group goes to another member.
 * Thread: worker. Scope: one per publisher; reused, never across publishes.
 */

import type { Message } from "../../shared/mqtt/message.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import { type InboxClient, type InboxReceiver, InsertStatus } from "../inbox/inbox-api.ts";
import type { BorrowedPublish } from "./borrowed-publish.ts";
import type { InboxRoute } from "./match-index.ts";
import type { PendingPublish } from "./pending-publish.ts";
import type { ShareMember } from "./share-group.ts";

interface Receiver {
  incarnation: number;
  qos: number;
  retain: boolean;
  subscriptionIdentifiers: number[];
  shareFilter: string | null;
}

/** A message of a shared group that looks for a member. */
export interface SharedMessage {
  readonly message: Message;
  readonly shareFilter: string;
  /** How many members were gone already when it came to them. */
  readonly attempt: number;
}

/** Finds another member. `done` gets STORED also when a transient member has it. */
export type Redispatch = (shared: SharedMessage, done: (status: InsertStatus) => void) => void;

/**
 * A route to a session that is over goes within a few commits; so often another is picked. Then the
 * publisher is told that its message is not stored.
 */
const MAX_ATTEMPTS = 8;

export class InboxFanout {
  readonly #inbox: InboxClient;
  readonly #redispatch: Redispatch;
  /** QoS 0, and what is to be stored. */
  #passing: Receiver[] = [];
  #storing: Receiver[] = [];
  /** Overlapping subscriptions: the receiver each session has already, by incarnation. */
  readonly #bySession = new Map<number, Receiver>();
  #inboxesLeft = 0;
  #bytesLeft = 0;
  #payloadLength = 0;
  /** Inboxes left out by MaxPersistentFanout or MaxPersistentFanoutBytes. */
  limited = 0;

  constructor(inbox: InboxClient, redispatch: Redispatch) {
    this.#inbox = inbox;
    this.#redispatch = redispatch;
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
    const known = this.#bySession.get(route.incarnation);
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
      incarnation: route.incarnation,
      qos,
      retain,
      subscriptionIdentifiers:
        options.subscriptionIdentifier === 0 ? [] : [options.subscriptionIdentifier],
      shareFilter: null,
    };
    this.#bySession.set(route.incarnation, receiver);
    return true;
  }

  addShared(publish: BorrowedPublish, member: ShareMember, shareFilter: string): void {
    const options = member.options;
    const qos = Math.min(publish.qos, options.qos);
    (qos === 0 ? this.#passing : this.#storing).push({
      incarnation: member.incarnation,
      qos,
      retain: options.retainAsPublished && publish.retain,
      subscriptionIdentifiers:
        options.subscriptionIdentifier === 0 ? [] : [options.subscriptionIdentifier],
      shareFilter,
    });
  }

  /** Sends what was gathered and starts over. `attempt`: see SharedMessage; 0 at first. */
  send(publish: BorrowedPublish, pending: PendingPublish | null, attempt: number): void {
    // Only now is the QoS of each known.
    for (const receiver of this.#bySession.values()) {
      (receiver.qos === 0 ? this.#passing : this.#storing).push(receiver);
    }
    this.#bySession.clear();
    if (this.#passing.length > 0) {
      const passing = this.#passing;
      this.#passing = [];
      // Of a will that is published again nothing but this tells that they have had it.
      const isSpared = publish.isForStored && publish.origin === null;
      if (!isSpared) this.#inbox.insertQosZero(publish.own(), passing);
    }
    if (this.#storing.length === 0) return;
    const storing = this.#storing;
    this.#storing = [];
    const message = publish.own();
    const done = pending?.expectInserted() ?? null;
    if (storing.every(({ shareFilter }) => shareFilter === null)) {
      this.#inbox.insert(message, storing, done);
      return;
    }
    this.#inbox.insert(message, storing, (statuses) => {
      if (attempt < MAX_ATTEMPTS) {
        this.#replaceMissing({ message, attempt: attempt + 1 }, storing, statuses, done);
        return;
      }
      giveUp(storing, statuses);
      done?.(statuses);
    });
  }

  /** A member's session ended while the message was on its way: its group still has to get it. */
  #replaceMissing(
    sent: Pick<SharedMessage, "message" | "attempt">,
    receivers: readonly InboxReceiver[],
    statuses: Uint8Array,
    done: ((statuses: Uint8Array) => void) | null,
  ): void {
    let left = 1;
    const finishOne = () => {
      left -= 1;
      if (left === 0) done?.(statuses);
    };
    receivers.forEach(({ shareFilter }, index) => {
      if (shareFilter === null || statuses[index] !== InsertStatus.NO_INBOX) return;
      left += 1;
      this.#redispatch({ ...sent, shareFilter }, (status) => {
        statuses[index] = status;
        finishOne();
      });
    });
    finishOne();
  }
}

/** Members come and go too fast: that nobody has it does not mean that nobody wants it. */
function giveUp(receivers: readonly InboxReceiver[], statuses: Uint8Array): void {
  receivers.forEach(({ shareFilter }, index) => {
    const isMissing = shareFilter !== null && statuses[index] === InsertStatus.NO_INBOX;
    if (isMissing) statuses[index] = InsertStatus.UNAVAILABLE;
  });
}
