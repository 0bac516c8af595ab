/**
 * Retained messages for new subscriptions, filter by filter, batch by batch: each batch is asked
 * for when the client has room for it, so a wildcard over a million retained messages costs one
 * batch of memory, and so do a hundred of them. The inbox of a stored session remembers that they
 * are owed, and what it has got of them (shared/inbox/range/replay.ts): the next connection goes on
 * where this one ends. Thread: worker. Scope: one per session, while retained messages are to come;
 * a SUBSCRIBE that arrives meanwhile queues behind them.
 */

import { decodeUtf8 } from "../../shared/bytes/utf8.ts";
import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { MessageRecord } from "../../shared/mqtt/message-codec.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import { AuthAction } from "../auth/auth-provider.ts";
import type { BorrowedPublish } from "../dist/borrowed-publish.ts";
import { InboxOp, InsertStatus, type OwedReplay, ReplayStep } from "../inbox/inbox-api.ts";
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
  /** Topics that an earlier connection has been handed; null: none has begun with them. */
  readonly handed: ReadonlySet<string> | null;
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

/** Goes on with what earlier connections of a stored session did not come to. */
export async function resumeReplays(
  session: Session,
  replays: readonly OwedReplay[],
): Promise<void> {
  for (const { filter, handedTopics } of replays) {
    const options = session.subscriptions?.get(filter)?.options;
    if (options === undefined) continue;
    const check = session.authorizations?.check(AuthAction.SUBSCRIBE, filter, options.qos, false);
    const mayRead = await check;
    session.context.wake();
    if (session.phase !== Phase.ACTIVE) return;
    if (mayRead !== true) continue;
    const handed = handedTopics.length > 0 ? new Set(handedTopics) : null;
    replayRetained(session, [{ index: 0, filter, options, handed }]);
  }
}

class RetainedReplay {
  readonly #session: Session;
  readonly #requests: RingQueue<RetainedRequest>;
  #scan: RetainScan | null = null;
  /** The inbox remembers what it gets of the request under way. */
  #isNoted = false;
  /** Some of it found no space on the disk. */
  #isUnstored = false;
  /**
   * Messages handed to the session's inbox since the replay began, or that it had from earlier
   * connections, and what was acknowledged when it began.
   */
  #stored: number;
  readonly #acknowledgedAtStart: number;
  /** The inbox is being asked whether anything of it still waits. */
  #isAsking = false;

  constructor(session: Session, requests: RingQueue<RetainedRequest>) {
    this.#session = session;
    this.#requests = requests;
    this.#acknowledgedAtStart = session.acknowledgedCount;
    this.#stored = Math.max(0, session.loadAtAttach - session.acknowledgedCount);
  }

  start(): void {
    const request = this.#requests.shift();
    if (request === undefined) {
      this.#session.retainedRequests = null;
      return;
    }
    this.#isNoted = request.handed !== null;
    this.#isUnstored = false;
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
        while (batch.advance()) this.#send(batch.record, request);
      } else deliverPackets(this.#session, batch.packets, batch.size, batch.payloadBytes);
      if (isEnd) this.#ended(request);
      else this.#whenRoom(() => this.#next(request));
    });
  }

  #ended(request: RetainedRequest): void {
    if (this.#scan?.isWhole === false) {
      this.#session.context.counters[Counter.RETAINED_INCOMPLETE]! += 1;
      logRetainedIncomplete(this.#session, request.filter);
    }
    this.#finish(request);
    this.start();
  }

  /** The inbox has all of it: it need not be done again. */
  #finish({ filter, options }: RetainedRequest): void {
    const session = this.#session;
    if (!session.isPersistent || options.qos === 0) return;
    // What is missing follows on the next connection.
    if (this.#isUnstored || this.#scan?.isWhole === false) return;
    let isOwedAgain = false;
    for (let at = 0; at < this.#requests.size; at++) {
      const next = this.#requests.at(at);
      if (next.filter === filter && next.options.qos > 0) isOwedAgain = true;
    }
    const step = isOwedAgain ? ReplayStep.OVER_ONCE : ReplayStep.OVER;
    session.context.inbox.replay(session, step, filter);
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
  #send(record: MessageRecord, { filter, options, handed }: RetainedRequest): void {
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
    const message = record.own();
    const { topic } = message;
    if (handed?.has(decodeUtf8(topic, 0, topic.length)) === true) return;
    if (!this.#isNoted) {
      this.#isNoted = true;
      context.inbox.replay(session, ReplayStep.BEGUN, filter);
    }
    this.#stored += 1;
    const receiver = {
      incarnation: session.incarnation,
      qos,
      retain: true,
      subscriptionIdentifiers: identifiers,
      shareFilter: null,
      isReplay: true,
    };
    context.inbox.insert(message, [receiver], (statuses) => {
      if (statuses[0] === InsertStatus.STORED) return;
      this.#isUnstored ||= statuses[0] === InsertStatus.NO_ROOM;
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
