/**
 * Command bytes in, changes of the inboxes and outputs out: what one owner thread does with
 * INBOX_COMMAND records.
 *
 * Deterministic: time is an argument, limits come from the options, and the outputs depend on
 * nothing else, so the same commands make the same state wherever they are applied.
 * Flow: publish to a stored session, after the deliverer, before the session's worker.
 * Thread: the owner. Scope: one per worker.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import { Counter } from "../metrics/counter-table.ts";
import type { Message } from "../mqtt/message.ts";
import { MessageStore, StoredMessage } from "./delivery.ts";
import { type InboxCommandHandler, readInboxCommands } from "./inbox-command.ts";
import type { InboxContext, InboxLimits } from "./inbox-context.ts";
import type { InboxOutput } from "./inbox-output.ts";
import { InboxStore } from "./inbox-store.ts";
import {
  type AttachRequest,
  InboxOp,
  type InboxReceiver,
  InboxSubscribeStatus,
  type StoredSubscription,
} from "./inbox-types.ts";
import type { QueueBudget } from "./queue-budget.ts";

export interface InboxOptions {
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  /** See InboxContext. */
  readonly windowBytes: number;
  /** The tenant's limits at the time of the call. */
  readonly budget: QueueBudget;
  readonly limitsOf: (tenantId: string) => InboxLimits;
}

export class InboxStateMachine implements InboxCommandHandler {
  readonly store: InboxStore;
  readonly #limitsOf: (tenantId: string) => InboxLimits;
  readonly #output: InboxOutput;
  // Of the record being applied.
  #source = 0;
  #nowMs = 0;
  // Of the insert being applied.
  #insertRequest = 0;
  #inserting: StoredMessage | null = null;
  #insertLimits: InboxLimits | null = null;
  #statuses = new Uint8Array(64);
  #statusCount = 0;
  #pending = 0;

  constructor(options: InboxOptions, output: InboxOutput) {
    const { counters, windowBytes, budget } = options;
    // Gauges of this thread; a predecessor's inboxes went with it.
    counters[Counter.PERSISTENT_SESSIONS] = 0;
    counters[Counter.INBOX_MESSAGES] = 0;
    counters[Counter.INBOX_BYTES] = 0;
    const messages = new MessageStore(counters);
    const context: InboxContext = { messages, counters, output, windowBytes, budget };
    this.store = new InboxStore(context);
    this.#limitsOf = options.limitsOf;
    this.#output = output;
  }

  /** Applies all commands of one record from `source`. */
  apply(reader: RecordReader, source: number, nowMs: number): void {
    this.#source = source;
    this.#nowMs = nowMs;
    readInboxCommands(reader, this);
  }

  attach(token: number, request: AttachRequest): void {
    this.store.attach(request, { thread: this.#source, token }, this.#nowMs);
  }

  detach(token: number, sessionExpirySeconds: number, discardWill: boolean): void {
    const inbox = this.store.attached(this.#source, token);
    if (inbox === null) return;
    this.store.detach(inbox, sessionExpirySeconds, discardWill, this.#nowMs);
  }

  subscribe(token: number, request: number, subscription: StoredSubscription): void {
    const requester = { thread: this.#source, request };
    const inbox = this.store.attached(this.#source, token);
    if (inbox === null) {
      this.#output.subscribeRefused(requester, InboxSubscribeStatus.UNAVAILABLE);
      return;
    }
    this.store.subscribe(inbox, subscription, this.#limitsOf(inbox.tenantId), requester);
  }

  unsubscribe(token: number, request: number, filter: string): void {
    const requester = { thread: this.#source, request };
    const inbox = this.store.attached(this.#source, token);
    if (inbox === null) this.#output.unsubscribeMissed(requester);
    else this.store.unsubscribe(inbox, filter, requester);
  }

  commit(token: number, request: number, op: InboxOp, packetId: number): void {
    const inbox = this.store.attached(this.#source, token);
    if (inbox !== null) {
      const nowMs = this.#nowMs;
      if (op === InboxOp.ACKNOWLEDGED) inbox.outbound.acknowledge(packetId, nowMs);
      else if (op === InboxOp.RECEIVED) inbox.outbound.receive(packetId, nowMs);
      else if (op === InboxOp.INBOUND_ADD) inbox.inboundPacketIds.add(packetId);
      else inbox.inboundPacketIds.delete(packetId);
      if (inbox.isGroupMember) this.#output.loadChanged(inbox);
    }
    if (request === 0) return;
    this.#output.committed({ thread: this.#source, request }, inbox === null);
  }

  insertBegin(request: number, message: Message, receiverCount: number): void {
    this.#insertRequest = request;
    this.#inserting = new StoredMessage(message);
    this.#insertLimits = this.#limitsOf(message.tenantId);
    this.#statusCount = 0;
    this.#pending = 0;
    if (this.#statuses.length < receiverCount) this.#statuses = new Uint8Array(receiverCount * 2);
  }

  insertReceiver(receiver: InboxReceiver): void {
    const stored = this.#inserting!;
    const limits = this.#insertLimits!;
    const { clientId } = receiver;
    const status = this.store.insert(clientId, stored, receiver, limits, this.#nowMs);
    this.#statuses[this.#statusCount] = status;
    this.#statusCount += 1;
    if (this.#insertRequest === 0) return;
    const waiting = this.store.waitingCount(stored.message.tenantId, clientId);
    this.#pending = Math.max(this.#pending, waiting);
  }

  insertEnd(): void {
    this.#inserting = null;
    this.#insertLimits = null;
    if (this.#insertRequest === 0) return;
    const requester = { thread: this.#source, request: this.#insertRequest };
    this.#output.inserted(requester, this.#statuses, this.#statusCount, this.#pending);
  }

  credit(token: number, bytes: number): void {
    this.store.attached(this.#source, token)?.outbound.credit(bytes, this.#nowMs);
  }
}
