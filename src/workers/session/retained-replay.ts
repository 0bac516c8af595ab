/**
 * Retained messages for new subscriptions, filter by filter, batch by batch: the next batch is
 * asked for when the client has room for it, so a wildcard over a million retained messages costs
 * one batch of memory. Thread: worker. Scope: one per SUBSCRIBE that wants retained messages.
 */

import type { Message } from "../../shared/mqtt/message.ts";
import type { DeliveryOptions } from "../dist/dist-api.ts";
import { InsertStatus } from "../inbox/inbox-api.ts";
import type { RetainScan } from "../retain/retain-api.ts";
import { deliver, hasRoom, pumpQueue } from "./deliver.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";

export interface RetainedRequest {
  /** Position of the filter in its SUBSCRIBE. */
  readonly index: number;
  /** Without share prefix: shared subscriptions get no retained messages. */
  readonly filter: string;
  readonly options: DeliveryOptions;
}

/**
 * 64 messages of the usual hundred bytes fill one segment burst; a batch is bounded by bytes too,
 * and by the session's queue, which is to hold all of it.
 */
const BATCH = 64;
/** A stored session takes the next batch while at most this many are not acknowledged. */
const STORED_AHEAD = BATCH * 2;

export function replayRetained(session: Session, requests: readonly RetainedRequest[]): void {
  new RetainedReplay(session, requests).start();
}

class RetainedReplay {
  readonly #session: Session;
  readonly #requests: readonly RetainedRequest[];
  #position = 0;
  #scan: RetainScan | null = null;
  /**
   * Messages handed to the session's inbox since the replay began, and what it had acknowledged
   * then.
   */
  #stored = 0;
  readonly #acknowledgedAtStart: number;

  constructor(session: Session, requests: readonly RetainedRequest[]) {
    this.#session = session;
    this.#requests = requests;
    this.#acknowledgedAtStart = session.acknowledgedCount;
  }

  start(): void {
    const request = this.#requests[this.#position];
    if (request === undefined) return;
    const { context, tenantId, tenant } = this.#session;
    const limit = tenant?.settings.RetainMessageMatchLimit ?? 0;
    this.#scan = context.retain.scan(tenantId, request.filter, limit);
    this.#next(request);
  }

  #next(request: RetainedRequest): void {
    this.#scan?.next(Math.min(BATCH, this.#queueLimit), (messages, isEnd) => {
      if (this.#session.phase !== Phase.ACTIVE) {
        this.#scan?.cancel();
        return;
      }
      for (const message of messages) this.#send(message, request.options);
      if (isEnd) {
        this.#position += 1;
        this.start();
      } else {
        this.#whenRoom(() => this.#next(request));
      }
    });
  }

  get #queueLimit(): number {
    return this.#session.tenant?.settings.SessionInboxSize ?? BATCH;
  }

  #whenRoom(go: () => void): void {
    const session = this.#session;
    const ahead = this.#stored - (session.acknowledgedCount - this.#acknowledgedAtStart);
    const mostAhead = Math.max(0, Math.min(STORED_AHEAD, this.#queueLimit - BATCH));
    if (hasRoom(session) && ahead <= mostAhead) {
      go();
      return;
    }
    const previous = session.onRoom;
    session.onRoom = () => {
      previous?.();
      if (session.phase === Phase.ACTIVE) this.#whenRoom(go);
      else this.#scan?.cancel();
    };
  }

  /** RETAIN is 1: the message is sent because of the subscription, not because it was published. */
  #send(message: Message, options: DeliveryOptions): void {
    const session = this.#session;
    const { context } = session;
    const qos = Math.min(message.qos, options.qos);
    const identifiers =
      options.subscriptionIdentifier === 0 ? [] : [options.subscriptionIdentifier];
    if (!session.isPersistent || qos === 0) {
      context.publish.loadMessage(message, context.nowMs());
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
    context.inbox.insert(message, [receiver], (statuses) => {
      if (statuses[0] === InsertStatus.STORED) return;
      // Refused, and counted there: nobody will acknowledge it, so nobody may wait for that.
      this.#stored -= 1;
      if (session.phase === Phase.ACTIVE) pumpQueue(session);
    });
  }
}
