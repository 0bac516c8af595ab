/**
 * The owner's side of the inbox service: command records in, state machine, answers and pushes out.
 *
 * Answers and pushes are gathered per session's worker and leave at the end of the duty cycle,
 * answers first: so an attach is answered before its first push.
 * Thread: worker. Scope: one per worker; it owns the inboxes whose `ownerThread` is this worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import type { StoredRoute } from "../../shared/dist/dist-log-command.ts";
import type { Delivery } from "../../shared/inbox/delivery.ts";
import type { Inbox } from "../../shared/inbox/inbox.ts";
import type {
  InboxOutput,
  PushTarget,
  Requester,
  RouteChange,
} from "../../shared/inbox/inbox-output.ts";
import {
  writeAttached,
  writeCommitted,
  writeInserted,
  writePush,
  writeSubscribed,
  writeUnsubscribed,
} from "../../shared/inbox/inbox-reply.ts";
import { InboxStateMachine } from "../../shared/inbox/inbox-state-machine.ts";
import type { InboxStore } from "../../shared/inbox/inbox-store.ts";
import {
  type AttachReply,
  InboxSubscribeStatus,
  type SubscriptionOptions,
} from "../../shared/inbox/inbox-types.ts";
import type { QueueBudget } from "../../shared/inbox/queue-budget.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { splitShareFilter } from "../../shared/topic/share-filter.ts";
import { RecordBatches } from "../record-batches.ts";
import type { InboxHost } from "./inbox-api.ts";

/**
 * Bytes queued behind a full ring at which pushes to that worker stop, and at which they go on. 4
 * MiB: several rings' worth, so that the stop does not show while the worker keeps up; one such
 * queue per worker is cheap.
 */
const PUSH_STOP_BYTES = 4 * 1024 * 1024;
const PUSH_RESUME_BYTES = PUSH_STOP_BYTES / 2;

export interface InboxServiceOptions {
  readonly endpoint: RingEndpoint;
  readonly counters: Float64Array;
  readonly host: InboxHost;
  /** See InboxContext. */
  readonly windowBytes: number;
  readonly budget: QueueBudget;
}

export class InboxService implements InboxOutput {
  readonly #endpoint: RingEndpoint;
  readonly #host: InboxHost;
  readonly #machine: InboxStateMachine;
  readonly #reader = new RecordReader();
  readonly #replies: RecordBatches;
  readonly #pushes: RecordBatches;
  /** By thread: the message of the last push in its batch. */
  readonly #lastPushed: (Message | null)[];
  /** Threads that pushes have stopped for. */
  readonly #stopped = new Set<number>();
  /** Routes whose removal failed: asked for again once per tick. */
  #unremoved: RouteChange[] = [];

  constructor(options: InboxServiceOptions) {
    const { endpoint, counters, host, windowBytes, budget } = options;
    this.#endpoint = endpoint;
    this.#host = host;
    this.#replies = new RecordBatches(endpoint, RecordType.INBOX_REPLY);
    this.#pushes = new RecordBatches(endpoint, RecordType.INBOX_PUSH);
    this.#lastPushed = new Array<Message | null>(endpoint.threadCount).fill(null);
    const limitsOf = (tenantId: string) => host.settings(tenantId);
    this.#machine = new InboxStateMachine({ counters, windowBytes, budget, limitsOf }, this);
    endpoint.setHandler(RecordType.INBOX_COMMAND, (bytes, offset, length, source) => {
      this.#reader.reset(bytes, offset, length);
      this.#machine.apply(this.#reader, source, host.nowMs());
      this.#reader.release();
    });
  }

  /** For tests and metrics. */
  get store(): InboxStore {
    return this.#machine.store;
  }

  get nextDeadlineMs(): number {
    return this.#unremoved.length > 0 ? 0 : this.store.nextDeadlineMs;
  }

  handleTimeout(nowMs: number): void {
    this.store.handleTimeout(nowMs);
    const unremoved = this.#unremoved;
    this.#unremoved = [];
    for (const change of unremoved) this.removeRoute(change);
  }

  /** End of a duty cycle. */
  flush(): void {
    for (const thread of this.#stopped) {
      if (this.#endpoint.queuedBytes(thread) > PUSH_RESUME_BYTES) continue;
      this.#stopped.delete(thread);
      this.store.resume(thread, this.#host.nowMs());
    }
    this.#replies.flush();
    this.#pushes.flush();
    this.#lastPushed.fill(null);
  }

  /** `thread` died with its sessions, and its rings are replaced. */
  peerLost(thread: number): void {
    this.#replies.drop(thread);
    this.#pushes.drop(thread);
    this.#lastPushed[thread] = null;
    this.#stopped.delete(thread);
    this.store.peerLost(thread, this.#host.nowMs());
  }

  attached(target: PushTarget, reply: AttachReply): void {
    writeAttached(this.#replies.writer(target.thread), target.token, reply);
  }

  subscribeRefused(requester: Requester, status: InboxSubscribeStatus): void {
    writeSubscribed(this.#replies.writer(requester.thread), requester.request, status);
  }

  unsubscribeMissed(requester: Requester): void {
    writeUnsubscribed(this.#replies.writer(requester.thread), requester.request, false);
  }

  addRoute(change: RouteChange, options: SubscriptionOptions, status: InboxSubscribeStatus): void {
    this.#host.routes.addInboxRoute(routeOf(change), options, (isDone) => {
      const outcome = isDone ? status : InboxSubscribeStatus.UNAVAILABLE;
      writeSubscribed(this.#replies.writer(change.thread), change.request, outcome);
    });
  }

  removeRoute(change: RouteChange): void {
    this.#host.routes.removeInboxRoute(routeOf(change), (isDone) => {
      if (!isDone) {
        this.#unremoved.push(change);
        return;
      }
      this.store.routeRemoved(change.inbox);
      if (change.request === 0) return;
      writeUnsubscribed(this.#replies.writer(change.thread), change.request, true);
    });
  }

  onlineChanged(inbox: Inbox, isOnline: boolean): void {
    this.#host.routes.setInboxOnline(inbox.tenantId, inbox.clientId, isOnline);
  }

  loadChanged(inbox: Inbox): void {
    this.#host.routes.setInboxLoad(inbox.tenantId, inbox.clientId, inbox.load);
  }

  committed(requester: Requester, isStale: boolean): void {
    writeCommitted(this.#replies.writer(requester.thread), requester.request, isStale);
  }

  inserted(requester: Requester, statuses: Uint8Array, count: number, pending: number): void {
    const writer = this.#replies.writer(requester.thread);
    writeInserted(writer, requester.request, statuses, count, pending);
  }

  canPush(thread: number): boolean {
    if (this.#stopped.has(thread)) return false;
    if (this.#endpoint.queuedBytes(thread) <= PUSH_STOP_BYTES) return true;
    this.#stopped.add(thread);
    return false;
  }

  push(target: PushTarget, delivery: Delivery, dup: boolean): void {
    const { thread, token } = target;
    const writer = this.#pushes.writer(thread);
    const previous = this.#lastPushed[thread] ?? null;
    this.#lastPushed[thread] = writePush(writer, token, delivery, dup, previous);
    if (!this.#pushes.isFull(thread)) return;
    // Answers written earlier stay ahead.
    this.#replies.flushTarget(thread);
    this.#pushes.flushTarget(thread);
    this.#lastPushed[thread] = null;
  }

  publishWill(message: Message): void {
    this.#host.publisher.publish(message, null);
  }

  redispatch(message: Message, shareFilter: string): void {
    this.#host.redispatch(message, shareFilter);
  }
}

function routeOf({ inbox, filter }: RouteChange): StoredRoute {
  const { tenantId, clientId, incarnation } = inbox;
  const share = splitShareFilter(filter);
  return {
    tenantId,
    filter: share === null ? filter : share.filter,
    group: share === null ? "" : share.group,
    isOrdered: share?.ordered ?? false,
    clientId,
    incarnation,
  };
}
