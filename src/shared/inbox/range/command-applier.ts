/**
 * The commands of a batch, one after the other, done to the state of their range.
 *
 * An answer leaves if the proposer belongs to this life of the process and still waits, which it
 * does not when the log is applied again at start.
 */

import type { Message } from "../../mqtt/message.ts";
import type { PublishOrigin } from "../../mqtt/publish-origin.ts";
import type { ApplyContext } from "../../range/range-state-machine.ts";
import {
  type AttachRequest,
  InboxOp,
  type InboxReceiver,
  InboxSubscribeStatus,
  type InsertLimits,
  InsertStatus,
  NobodyInsert,
  ReplayStep,
  type WantedSubscription,
} from "../inbox-types.ts";
import type { Attached, Detaching, LogCommandHandler } from "../log-command.ts";
import { Delivery, isSharedBy, type StoredMessage, storedMessage } from "./delivery.ts";
import { Changed, type Inbox } from "./inbox.ts";
import { bucketOfId, isNobody } from "./inbox-key.ts";
import type { Requester } from "./inbox-output.ts";
import { wake } from "./inbox-parts.ts";
import { acknowledge, offer, receive } from "./outbound.ts";
import type { RangeState } from "./range-state.ts";
import { beginReplay, forgetReplay, noteReplayed } from "./replay.ts";
import { attach, detach, forgetWill, loseWorker, runDue } from "./session-life.ts";
import { replayOver, subscribe, unsubscribe } from "./subscriptions.ts";

export class CommandApplier implements LogCommandHandler {
  readonly #state: RangeState;
  // Of the batch being applied.
  #nowMs = 0;
  #boot = 0;
  #thread = 0;
  #isAnswered = false;
  // Of the insert being applied.
  #insertRequest = 0;
  readonly #limits = { sessionInboxSize: 0, sessionBytes: 0, tenantBytes: 0, rangeBytes: 0 };
  #tenantRoom = 0;
  #processRoom = 0;
  #inserting: StoredMessage | null = null;
  #statuses = new Uint8Array(64);
  #statusCount = 0;
  #pending = 0;

  constructor(state: RangeState) {
    this.#state = state;
  }

  begin(context: ApplyContext): void {
    this.#nowMs = context.nowMs;
    this.#boot = context.boot;
    this.#thread = context.thread;
    this.#isAnswered = this.#state.isLive && context.isOwnBoot;
  }

  attach(token: number, request: AttachRequest, windowBytes: number, sessionRoom: number): void {
    const sender = { boot: this.#boot, thread: this.#thread, token };
    const isAnswered = this.#isAnswered;
    const attaching = { request, windowBytes, sessionRoom, isAnswered, ...sender };
    attach(this.#state, attaching, this.#nowMs);
  }

  detach({ token }: Attached, request: number, detaching: Detaching): void {
    const inbox = this.#state.attached(this.#boot, token);
    if (inbox !== null) {
      const { sessionExpirySeconds, discardWill } = detaching;
      detach(this.#state, inbox, sessionExpirySeconds, discardWill, this.#nowMs);
    }
    const requester = this.#requester(request);
    if (requester !== null) this.#state.output.detached(requester);
  }

  subscribe(
    { token }: Attached,
    request: number,
    limit: number,
    subscription: WantedSubscription,
  ): void {
    const requester = this.#requester(request);
    const inbox = this.#awake(token);
    if (inbox !== null) subscribe(this.#state, inbox, subscription, limit, requester);
    else if (requester !== null) {
      this.#state.output.subscribeRefused(requester, InboxSubscribeStatus.UNAVAILABLE);
    }
  }

  unsubscribe({ token }: Attached, request: number, filter: string): void {
    const requester = this.#requester(request);
    const inbox = this.#awake(token);
    if (inbox !== null) unsubscribe(this.#state, inbox, filter, requester);
    else if (requester !== null) this.#state.output.unsubscribeMissed(requester);
  }

  commit({ token }: Attached, request: number, op: InboxOp, packetId: number): void {
    const state = this.#state;
    const inbox = this.#awake(token);
    if (inbox !== null) {
      if (op === InboxOp.ACKNOWLEDGED) acknowledge(state, inbox, packetId, this.#nowMs);
      else if (op === InboxOp.RECEIVED) receive(state, inbox, packetId, this.#nowMs);
      else if (op === InboxOp.FORGET_WILL) forgetWill(state, inbox);
      else this.#changeInbound(inbox, op, packetId);
      if (inbox.isGroupMember) state.output.loadChanged(inbox);
    }
    const requester = this.#requester(request);
    if (requester !== null) state.output.committed(requester, inbox === null);
  }

  replay({ token }: Attached, step: ReplayStep, filter: string): void {
    const inbox = this.#awake(token);
    if (inbox === null) return;
    if (step === ReplayStep.BEGUN) beginReplay(this.#state, inbox, filter);
    else forgetReplay(this.#state, inbox);
    if (step === ReplayStep.OVER) replayOver(this.#state, inbox, filter);
  }

  insertHeader(request: number, limits: InsertLimits, origin: PublishOrigin | null): void {
    this.#insertRequest = request;
    this.#limits.sessionInboxSize = limits.sessionInboxSize;
    this.#limits.sessionBytes = limits.sessionBytes;
    this.#tenantRoom = limits.tenantRoom;
    this.#processRoom = limits.processRoom;
    this.#state.taken.begin(origin, this.#boot);
  }

  insertBegin(message: Message, count: number): void {
    this.#inserting = storedMessage(message, isSharedBy(message, count));
    const { heldBytes, tenants } = this.#state;
    const tenantBytes = tenants.get(message.tenantId)?.bytes ?? 0;
    this.#limits.tenantBytes = tenantBytes + this.#tenantRoom;
    this.#limits.rangeBytes = heldBytes + this.#processRoom;
    this.#statusCount = 0;
    this.#pending = 0;
    if (this.#statuses.length < count) this.#statuses = new Uint8Array(count * 2);
  }

  insertReceiver(receiver: InboxReceiver): void {
    const state = this.#state;
    const inbox = state.inboxes.get(receiver.incarnation);
    let status: InsertStatus = InsertStatus.NO_INBOX;
    const { shareFilter } = receiver;
    const bucket = bucketOfId(receiver.incarnation);
    if (state.taken.has(shareFilter, bucket)) {
      const isRefused = shareFilter === null && state.taken.wasRefused(bucket);
      status = isRefused ? InsertStatus.QUOTA : InsertStatus.STORED;
    } else if (isNobody(receiver.incarnation)) {
      if (shareFilter !== null) this.#noteGroup(shareFilter, receiver.qos);
    } else if (inbox !== undefined && !inbox.isEnded) {
      const delivery = new Delivery(this.#inserting, receiver);
      status = offer(state, inbox, delivery, this.#limits, this.#nowMs);
      if (status === InsertStatus.STORED) {
        state.taken.note(shareFilter, state.buckets);
        if (receiver.isReplay === true) noteReplayed(state, inbox, this.#inserting!.message!.topic);
      } else if (shareFilter === null) state.taken.noteRefused(state.buckets);
      if (shareFilter !== null) inbox.isGroupMember = true;
      if (inbox.isGroupMember && state.isLive) state.output.loadChanged(inbox);
      const waiting = inbox.waitingCount;
      if (waiting > this.#pending) this.#pending = waiting;
    }
    this.#statuses[this.#statusCount] = status;
    this.#statusCount += 1;
  }

  insertEnd(): void {
    this.#inserting = null;
    const requester = this.#requester(this.#insertRequest);
    if (requester === null) return;
    const statuses = this.#statuses;
    this.#state.output.inserted(requester, statuses, this.#statusCount, this.#pending);
  }

  lost(_bucket: number, boot: number, lastToken: number): void {
    loseWorker(this.#state, boot, lastToken, this.#nowMs);
  }

  due(incarnation: number): void {
    const inbox = this.#state.inboxes.get(incarnation);
    if (inbox !== undefined) runDue(this.#state, inbox, this.#nowMs);
  }

  outboxDone(record: number): void {
    this.#state.outbox.finish(record);
  }

  /** For no inbox: says that a group is served, or asks whether it is. */
  #noteGroup(shareFilter: string, says: number): void {
    const { taken } = this.#state;
    if (says === NobodyInsert.SERVED) taken.noteTransient(shareFilter);
    else if (says === NobodyInsert.PASSING) taken.notePassing(shareFilter);
    else taken.ask(shareFilter);
  }

  #changeInbound(inbox: Inbox, op: InboxOp, packetId: number): void {
    inbox.inbound ??= new Set();
    if (op === InboxOp.INBOUND_ADD) inbox.inbound.add(packetId);
    else inbox.inbound.delete(packetId);
    inbox.inboundCount = inbox.inbound.size;
    this.#state.change(inbox, Changed.INBOUND);
  }

  /** The inbox of an attachment of the proposer, with all its parts; null when that is over. */
  #awake(token: number): Inbox | null {
    const inbox = this.#state.attached(this.#boot, token);
    if (inbox !== null) wake(this.#state, inbox);
    return inbox;
  }

  /** Null: nobody waits. */
  #requester(request: number): Requester | null {
    if (request === 0 || !this.#isAnswered) return null;
    return { boot: this.#boot, thread: this.#thread, request };
  }
}
