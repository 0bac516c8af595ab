/**
 * Retained messages for new subscriptions, filter by filter, batch by batch: each batch is asked
 * for when the client has room for it, so a wildcard over a million retained messages costs one
 * batch of memory, and so do a hundred of them. Thread: worker. Scope: one per session, while
 * retained messages are to come; a SUBSCRIBE that arrives meanwhile queues behind them.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { MessageRecord } from "../../shared/mqtt/message-codec.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import type { BorrowedPublish } from "../dist/borrowed-publish.ts";
import { InboxOp, InsertStatus } from "../inbox/inbox-api.ts";
import { RetainForm, type RetainScan } from "../retain/retain-api.ts";
import { deliver, deliverPackets, hasRoom, pumpQueue } from "./deliver.ts";
import type { Session } from "./session.ts";
import { logRetainedIncomplete } from "./session-events.ts";
import { Phase } from "./session-state.ts";
import { isTraced } from "./trace.ts";

export interface RetainedRequest {
  /** Position of the filter in its SUBSCRIBE. */
  readonly index: number;
  /** Without share prefix: shared subscriptions get no retained messages. */
  readonly filter: string;
  readonly options: SubscriptionOptions;
}

/**
 * 512 messages of the usual hundred bytes are the 56 KiB that bound a batch anyway, and a quarter
 * of a millisecond before others get their turn. Half of the session's queue at most: it is to hold
 * all of it, and what is published meanwhile.
 */
const BATCH = 512;
/** Those of a stored session become messages in memory, and its inbox stores them one by one. */
const STORED_BATCH = 64;
/** A stored session takes the next batch while at most this many are not acknowledged. */
const STORED_AHEAD = STORED_BATCH * 2;

/** No exchange has it. */
const NO_PACKET_ID = 0;

export function replayRetained(session: Session, requests: readonly RetainedRequest[]): void {
  const waiting = session.retainedRequests;
  const queue = waiting ?? new RingQueue<RetainedRequest>();
  for (const request of requests) queue.push(request);
  if (waiting !== null) return;
  session.retainedRequests = queue;
  new RetainedReplay(session, queue).start();
}

class RetainedReplay {
  readonly #session: Session;
  readonly #requests: RingQueue<RetainedRequest>;
  #scan: RetainScan | null = null;
  /**
   * Messages handed to the session's inbox since the replay began, and what it had acknowledged
   * then.
   */
  #stored = 0;
  readonly #acknowledgedAtStart: number;
  /** The inbox is being asked whether anything of it still waits. */
  #isAsking = false;

  constructor(session: Session, requests: RingQueue<RetainedRequest>) {
    this.#session = session;
    this.#requests = requests;
    this.#acknowledgedAtStart = session.acknowledgedCount;
  }

  start(): void {
    const request = this.#requests.shift();
    if (request === undefined) {
      this.#session.retainedRequests = null;
      return;
    }
    const { context, tenantId, tenant } = this.#session;
    const limit = tenant?.settings.RetainMessageMatchLimit ?? 0;
    const form = formFor(this.#session, request.options);
    this.#scan = context.retain.scan(tenantId, request.filter, limit, form);
    this.#whenRoom(() => this.#next(request));
  }

  #next(request: RetainedRequest): void {
    this.#scan?.next(this.#batchMax, (batch, isEnd) => {
      if (this.#session.phase !== Phase.ACTIVE) {
        this.#scan?.cancel();
        return;
      }
      if (batch.packets === null) {
        while (batch.advance()) this.#send(batch.record, request.options);
      } else deliverPackets(this.#session, batch.packets, batch.size, batch.payloadBytes);
      if (isEnd) this.#ended(request);
      else this.#whenRoom(() => this.#next(request));
    });
  }

  #ended({ filter }: RetainedRequest): void {
    if (this.#scan?.isWhole === false) {
      this.#session.context.counters[Counter.RETAINED_INCOMPLETE]! += 1;
      logRetainedIncomplete(this.#session, filter);
    }
    this.start();
  }

  get #batchMax(): number {
    if (this.#session.isPersistent) return Math.min(STORED_BATCH, this.#queueLimit);
    return Math.min(BATCH, Math.max(1, Math.floor(this.#queueLimit / 2)));
  }

  get #queueLimit(): number {
    return this.#session.tenant?.settings.SessionInboxSize ?? BATCH;
  }

  #whenRoom(go: () => void): void {
    const session = this.#session;
    const ahead = this.#stored - (session.acknowledgedCount - this.#acknowledgedAtStart);
    const mostAhead = Math.max(0, Math.min(STORED_AHEAD, this.#queueLimit - STORED_BATCH));
    if (hasRoom(session) && ahead <= mostAhead) {
      go();
      return;
    }
    session.onRoom = () => {
      if (session.phase === Phase.ACTIVE) this.#whenRoom(go);
      else this.#scan?.cancel();
    };
    if (ahead > mostAhead) this.#askWhatWaits();
  }

  /**
   * What has expired in the inbox is never acknowledged. With nothing in flight to the client it is
   * asked, by two commands that do nothing: what it pushes because of everything before the first
   * one is here before it answers the second.
   */
  #askWhatWaits(): void {
    const session = this.#session;
    if (this.#isAsking || this.#isAnythingInFlight) return;
    this.#isAsking = true;
    const { acknowledgedCount } = session;
    const ask = (done: () => void) => {
      session.context.inbox.commit(session, InboxOp.ACKNOWLEDGED, NO_PACKET_ID, done);
    };
    ask(() =>
      ask(() => {
        this.#isAsking = false;
        const isSame = session.acknowledgedCount === acknowledgedCount;
        if (isSame && !this.#isAnythingInFlight) {
          this.#stored = acknowledgedCount - this.#acknowledgedAtStart;
        }
        if (session.phase === Phase.ACTIVE) pumpQueue(session);
      }),
    );
  }

  get #isAnythingInFlight(): boolean {
    return (this.#session.window?.count ?? 0) > 0;
  }

  /** RETAIN is 1: the message is sent because of the subscription, not because it was published. */
  #send(record: MessageRecord, options: SubscriptionOptions): void {
    const session = this.#session;
    const { context } = session;
    const qos = Math.min(record.qos, options.qos);
    const identifiers =
      options.subscriptionIdentifier === 0 ? [] : [options.subscriptionIdentifier];
    if (!session.isPersistent || qos === 0) {
      loadRecord(context.publish, record, context.nowMs());
      deliver(
        session,
        context.publish,
        qos,
        true,
        identifiers.length === 0 ? null : identifiers,
        null,
      );
      return;
    }
    this.#stored += 1;
    const receiver = {
      incarnation: session.incarnation,
      qos,
      retain: true,
      subscriptionIdentifiers: identifiers,
      shareFilter: null,
    };
    context.inbox.insert(record.own(), [receiver], (statuses) => {
      if (statuses[0] === InsertStatus.STORED) return;
      // Refused, and counted there: nobody will acknowledge it, so nobody may wait for that.
      this.#stored -= 1;
      if (session.phase === Phase.ACTIVE) pumpQueue(session);
    });
  }
}

/** Packets where they are the same for every client, and nobody wants to see them one by one. */
function formFor(session: Session, options: SubscriptionOptions): RetainForm {
  const isAlike = session.outboundAliases === null && options.subscriptionIdentifier === 0;
  const fitsAll = session.maximumPacketSize === 0;
  if (options.qos > 0 || !isAlike || !fitsAll || isTraced(session)) return RetainForm.MESSAGES;
  return session.isV5 ? RetainForm.PACKETS_V5 : RetainForm.PACKETS_V3;
}

/** Points `publish` at a message in a record. */
function loadRecord(publish: BorrowedPublish, record: MessageRecord, nowMs: number): void {
  const { bytes, offset } = record;
  publish.loadRecord(record.tenantId, record.publisherId, record.receivedAtMs, nowMs);
  publish.topicBytes = bytes;
  publish.topicOffset = offset;
  publish.topicLength = record.topicLength;
  publish.forwardBytes = bytes;
  publish.forwardOffset = offset + record.topicLength;
  publish.forwardLength = record.forwardLength;
  publish.payloadBytes = bytes;
  publish.payloadOffset = publish.forwardOffset + record.forwardLength;
  publish.payloadLength = record.payloadLength;
  publish.qos = record.qos;
  publish.retain = record.retain;
  publish.expirySeconds = record.expirySeconds;
}
