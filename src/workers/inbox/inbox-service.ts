/**
 * The inbox ranges of this worker: their state machines' answers, pushes and effects go out, and
 * what does not go through a log comes in.
 *
 * Answers and pushes are gathered per session's worker and leave at the end of the duty cycle,
 * answers first: so an attach is answered before its first push.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { BoundedRun } from "../../shared/collections/bounded-run.ts";
import {
  type Credited,
  type DirectCommandHandler,
  type Probe,
  readDirectCommands,
} from "../../shared/inbox/direct-command.ts";
import {
  writeAttached,
  writeCommitted,
  writeDetached,
  writeInserted,
  writeProbed,
  writePush,
  writeSubscribed,
  writeUnsubscribed,
} from "../../shared/inbox/inbox-reply.ts";
import {
  type AttachReply,
  type InboxReceiver,
  InboxSubscribeStatus,
} from "../../shared/inbox/inbox-types.ts";
import { writeDue, writeLost } from "../../shared/inbox/log-command.ts";
import {
  type Delivery,
  type StoredMessage,
  storedMessage,
} from "../../shared/inbox/range/delivery.ts";
import type { Inbox, Subscribed } from "../../shared/inbox/range/inbox.ts";
import { bucketOfId } from "../../shared/inbox/range/inbox-key.ts";
import type {
  InboxOutput,
  PushTarget,
  Requester,
  SubscribeAnswer,
} from "../../shared/inbox/range/inbox-output.ts";
import { InboxRange } from "../../shared/inbox/range/inbox-range.ts";
import { InboxRenewal } from "../../shared/inbox/range/inbox-renewal.ts";
import type { OutboxRecord } from "../../shared/inbox/range/outbox.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { QuotaLedger } from "../../shared/quota/quota-ledger.ts";
import type { KeyValueReader } from "../../shared/range/key-value.ts";
import type { RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { RangeClient } from "../ranges/range-client-api.ts";
import type { RangeHost, RangeService } from "../ranges/range-host-api.ts";
import { RecordBatches } from "../record-batches.ts";
import { HeldCounter } from "./held-counter.ts";
import type { InboxHost } from "./inbox-api.ts";
import { InboxRanges } from "./inbox-ranges.ts";
import { OutboxRunner } from "./outbox-runner.ts";
import { storedRouteOf } from "./stored-route.ts";

type Told = (isDone: boolean) => void;

const BUCKET_COUNT = 0x1000;
/**
 * Bytes queued behind a full ring at which pushes to that worker stop, and at which they go on. 4
 * MiB: several rings' worth, so that the stop does not show while the worker keeps up; one such
 * queue per worker is cheap.
 */
const PUSH_STOP_BYTES = 4 * 1024 * 1024;
const PUSH_RESUME_BYTES = PUSH_STOP_BYTES / 2;

export interface InboxServiceOptions {
  readonly endpoint: RingEndpoint;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  readonly host: InboxHost;
  readonly quotas: QuotaLedger;
  readonly ranges: { readonly client: RangeClient; readonly host: RangeHost };
}

export class InboxService implements InboxOutput, RangeService, DirectCommandHandler {
  readonly #options: InboxServiceOptions;
  readonly #endpoint: RingEndpoint;
  readonly #host: InboxHost;
  readonly #rangeHost: RangeHost;
  readonly #ranges: InboxRanges;
  readonly #outbox: OutboxRunner;
  readonly #reader = new RecordReader();
  readonly #replies: RecordBatches;
  readonly #pushes: RecordBatches;
  readonly #held: HeldCounter;
  /** By thread: the message of the last push in its batch. */
  readonly #lastPushed: (Message | null)[];
  /** Threads that pushes have stopped for. */
  readonly #stopped = new Set<number>();
  /** By bucket: the range of this worker that holds it. */
  readonly #machines: (InboxRange | null)[] = new Array(BUCKET_COUNT).fill(null);
  #owned: readonly InboxRange[] = [];
  /** Who sent the record being read. */
  #source = 0;
  #inserting: StoredMessage | null = null;

  constructor(options: InboxServiceOptions) {
    const { endpoint, host, ranges } = options;
    this.#options = options;
    this.#endpoint = endpoint;
    this.#host = host;
    this.#rangeHost = ranges.host;
    this.#ranges = new InboxRanges(ranges.client);
    this.#outbox = new OutboxRunner(host, this.#ranges, {
      wants: (incarnation, filter) => {
        return this.#machines[bucketOfId(incarnation)]?.wants(incarnation, filter) ?? false;
      },
      removed: ({ requester }) => {
        if (requester === null || !this.#stillWaits(requester)) return;
        writeUnsubscribed(this.#replies.writer(requester.thread), requester.request, true);
      },
    });
    this.#replies = new RecordBatches(endpoint, RecordType.INBOX_REPLY);
    this.#pushes = new RecordBatches(endpoint, RecordType.INBOX_PUSH);
    this.#held = new HeldCounter(options.quotas);
    this.#lastPushed = new Array<Message | null>(endpoint.threadCount).fill(null);
    ranges.host.register(ServiceId.INBOX, this);
    endpoint.setHandler(RecordType.INBOX_COMMAND, (bytes, offset, length, source) => {
      this.#source = source;
      this.#reader.reset(bytes, offset, length);
      readDirectCommands(this.#reader, this);
      this.#reader.release();
    });
  }

  open(range: RangeDescriptor, reader: KeyValueReader): InboxRange {
    const { counters } = this.#options;
    const machine = new InboxRange(range, reader, { output: this, counters });
    try {
      machine.load();
    } catch (error) {
      // Its sessions are counted already.
      machine.close();
      throw error;
    }
    return machine;
  }

  renew(range: RangeDescriptor): InboxRenewal {
    return new InboxRenewal(range, this.#host.nowMs());
  }

  tellRoutes(done: (isWhole: boolean) => void): void {
    const ask = ([inbox, { filter, options }]: readonly [Inbox, Subscribed], told: Told) => {
      const { clientId, id: incarnation, tenant } = inbox;
      const holder = { tenantId: tenant.tenantId, clientId, incarnation };
      this.#host.routes.addInboxRoute(storedRouteOf(holder, filter), options, told);
    };
    new BoundedRun(subscriptionsOf(this.#owned), ask, done);
  }

  rangesChanged(): void {
    this.#owned = this.#rangeHost
      .ownedBy(ServiceId.INBOX)
      .map(({ machine }) => machine)
      .filter((machine) => machine instanceof InboxRange);
    this.#machines.fill(null);
    for (const machine of this.#owned) {
      const { first, end } = machine.buckets;
      this.#machines.fill(machine, first, end);
    }
    this.#held.rangesChanged(this.#owned);
  }

  /** The ranges of this worker, for tests and metrics. */
  get owned(): readonly InboxRange[] {
    return this.#owned;
  }

  /** Tenants that have sessions on this worker. */
  tenants(): string[] {
    return this.#owned.flatMap((machine) => machine.tenants());
  }

  sessionCount(tenantId: string): number {
    return this.#owned.reduce((sum, machine) => sum + machine.sessionCount(tenantId), 0);
  }

  expiredCount(tenantId: string): number {
    return this.#owned.reduce((sum, machine) => sum + machine.expiredCount(tenantId), 0);
  }

  get nextDeadlineMs(): number {
    let earliestMs = this.#outbox.nextDeadlineMs;
    for (const machine of this.#owned) {
      if (machine.isLive) earliestMs = Math.min(earliestMs, machine.nextDeadlineMs);
    }
    return earliestMs;
  }

  /** All workers serve: what is owed can be done. */
  serve(): void {
    this.#outbox.open();
  }

  handleTimeout(nowMs: number): void {
    this.#outbox.retry(nowMs);
    for (const machine of this.#owned) {
      if (!machine.isLive) continue;
      machine.pollDue(nowMs, (incarnation) => {
        writeDue(this.#ranges.writer(bucketOfId(incarnation)), incarnation);
      });
    }
  }

  /** End of a duty cycle. */
  flush(): void {
    for (const thread of this.#stopped) {
      if (this.#endpoint.queuedBytes(thread) > PUSH_RESUME_BYTES) continue;
      this.#stopped.delete(thread);
      for (const machine of this.#owned) machine.resume(thread, this.#host.nowMs());
    }
    this.#held.count();
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
    for (const machine of this.#owned) {
      machine.loseWorkers((boot, of) => of === thread && !this.#rangeHost.isAlive(boot, of));
    }
  }

  insertBegin(message: Message): void {
    this.#inserting = storedMessage(message, false);
  }

  insertReceiver(receiver: InboxReceiver): void {
    const stored = this.#inserting!;
    const { incarnation } = receiver;
    const machine = this.#machines[bucketOfId(incarnation)] ?? null;
    const limits = this.#host.settings(stored.message!.tenantId);
    machine?.insertQosZero(incarnation, stored, receiver, limits, this.#host.nowMs());
  }

  insertEnd(): void {
    this.#inserting = null;
  }

  credit({ bucket, boot, token }: Credited, bytes: number): void {
    this.#machines[bucket]?.credit(boot, token, bytes, this.#host.nowMs());
  }

  probe(token: number, { bucket, tenantId, clientId }: Probe): void {
    const machine = this.#machines[bucket] ?? null;
    // Who does not know sends the question through the log.
    const mayExist = machine?.isLive !== true || machine.find(tenantId, clientId) !== null;
    writeProbed(this.#replies.writer(this.#source), token, mayExist);
  }

  attached(target: PushTarget, reply: AttachReply): void {
    writeAttached(this.#replies.writer(target.thread), target.token, reply);
  }

  detached({ thread, request }: Requester): void {
    writeDetached(this.#replies.writer(thread), request);
  }

  subscribeRefused(requester: Requester, status: InboxSubscribeStatus): void {
    writeSubscribed(this.#replies.writer(requester.thread), requester.request, status);
  }

  unsubscribeMissed({ thread, request }: Requester): void {
    writeUnsubscribed(this.#replies.writer(thread), request, false);
  }

  addRoute(inbox: Inbox, subscribed: Subscribed, answer: SubscribeAnswer | null): void {
    const { clientId, id: incarnation } = inbox;
    const { tenantId } = inbox.tenant;
    const { filter, options } = subscribed;
    const route = storedRouteOf({ tenantId, clientId, incarnation }, filter);
    const { routes } = this.#host;
    if (answer === null && routes.hasInboxRoute(route, options)) return;
    routes.addInboxRoute(route, options, (isDone) => {
      // What fails while nobody waits is found out when the session attaches the next time.
      if (answer === null || !this.#stillWaits(answer.requester)) return;
      const { thread, request } = answer.requester;
      const status = isDone ? answer.status : InboxSubscribeStatus.UNAVAILABLE;
      writeSubscribed(this.#replies.writer(thread), request, status);
    });
  }

  onlineChanged(inbox: Inbox, isOnline: boolean): void {
    this.#host.routes.setInboxOnline(inbox.tenant.tenantId, inbox.clientId, isOnline);
  }

  loadChanged(inbox: Inbox): void {
    this.#host.routes.setInboxLoad(inbox.tenant.tenantId, inbox.clientId, inbox.load);
  }

  committed({ thread, request }: Requester, isStale: boolean): void {
    writeCommitted(this.#replies.writer(thread), request, isStale);
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

  push({ thread, token }: PushTarget, delivery: Delivery, dup: boolean): void {
    const writer = this.#pushes.writer(thread);
    const previous = this.#lastPushed[thread] ?? null;
    this.#lastPushed[thread] = writePush(writer, token, delivery, dup, previous);
    if (!this.#pushes.isFull(thread)) return;
    // Answers written earlier stay ahead, and before them what has come of their commands.
    this.#held.count();
    this.#replies.flushTarget(thread);
    this.#pushes.flushTarget(thread);
    this.#lastPushed[thread] = null;
  }

  owe(record: OutboxRecord): void {
    this.#outbox.run(record);
  }

  lost(boot: number, lastToken: number, bucket: number): void {
    writeLost(this.#ranges.writer(bucket), bucket, boot, lastToken);
  }

  /** False when its worker has died since it asked. */
  #stillWaits({ boot, thread, request }: Requester): boolean {
    return request !== 0 && this.#rangeHost.isAlive(boot, thread);
  }
}

function* subscriptionsOf(ranges: readonly InboxRange[]): Generator<readonly [Inbox, Subscribed]> {
  for (const range of ranges) yield* range.subscriptions();
}
