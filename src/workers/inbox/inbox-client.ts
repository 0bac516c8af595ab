/**
 * The inbox service for the sessions and publishes of this worker: commands out, through the logs
 * of inbox ranges; answers and pushes in, from the workers that have the ranges.
 *
 * Commands of one session reach its inbox in call order. All of a duty cycle leave together, one
 * batch per range.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { writeCredit, writeProbe } from "../../shared/inbox/direct-command.ts";
import {
  type InboxReplyHandler,
  readInboxReplies,
  readPushes,
} from "../../shared/inbox/inbox-reply.ts";
import {
  NobodyInsert,
  refusedAttach,
  type WantedSubscription,
} from "../../shared/inbox/inbox-types.ts";
import {
  UNLIMITED_SESSIONS,
  writeAttach,
  writeCommit,
  writeDetach,
  writeReplay,
  writeSubscribe,
  writeUnsubscribe,
} from "../../shared/inbox/log-command.ts";
import { bucketOf, bucketOfId, nobodyIn } from "../../shared/inbox/range/inbox-key.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import { Message } from "../../shared/mqtt/message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { QuotaLedger } from "../../shared/quota/quota-ledger.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import { PendingRequests } from "../pending-requests.ts";
import type { RangeClient } from "../ranges/range-client-api.ts";
import { RecordBatches } from "../record-batches.ts";
import { type Attachment, Attachments } from "./attachments.ts";
import { CommandReturns } from "./command-returns.ts";
import {
  type AttachReply,
  type AttachRequest,
  AttachStatus,
  type InboxClient,
  type InboxOp,
  type InboxPush,
  type InboxReceiver,
  type InboxSession,
  InboxSubscribeStatus,
  InsertStatus,
  type ReplayStep,
} from "./inbox-api.ts";
import { InboxQuotas } from "./inbox-quotas.ts";
import { InboxRanges } from "./inbox-ranges.ts";
import { InsertWriter } from "./insert-writer.ts";
import { Insertions } from "./insertions.ts";
import type { QueueBudget } from "./queue-budget.ts";

/** A callback, and the worker that is to cause it. */
interface Waiting<Done> {
  readonly owner: number;
  readonly attachment: Attachment;
  readonly done: Done;
}

interface Attaching {
  readonly attachment: Attachment;
  readonly request: AttachRequest;
  readonly done: (reply: AttachReply) => void;
}

export interface InboxClientOptions {
  readonly endpoint: RingEndpoint;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  readonly ranges: RangeClient;
  /**
   * Bytes pushed to one session and not yet acknowledged (QoS 1, 2) or taken (QoS 0) before its
   * inbox pauses. The session's worker holds about as much for the connection anyway.
   */
  readonly windowBytes: number;
  readonly budget: QueueBudget;
  readonly quotas: QuotaLedger;
  readonly settings: (tenantId: string) => TenantSettings;
}

const NO_BYTES = new Uint8Array(0);
/** In the place of a share filter: sessions that subscribe for themselves. */
const NO_GROUP = "";

/** A receiver that no inbox is for. */
function forNobody(bucket: number, says: NobodyInsert, shareFilter: string): InboxReceiver {
  const plain = { retain: false, subscriptionIdentifiers: [] };
  return { incarnation: nobodyIn(bucket), qos: says, shareFilter, ...plain };
}

/** Enough of a message to ask about it. */
function withoutContent(message: Message): Message {
  const { tenantId, topic, qos, receivedAtMs, publisherId } = message;
  const bare = new Message(
    tenantId,
    topic,
    NO_BYTES,
    NO_BYTES,
    qos,
    false,
    -1,
    receivedAtMs,
    publisherId,
  );
  bare.origin = message.origin;
  return bare;
}

export class RangeInboxClient implements InboxClient, InboxReplyHandler {
  readonly #options: InboxClientOptions;
  readonly #boot: number;
  /**
   * A session's QoS 0 bytes are reported in steps of a quarter of the window, so that the inbox
   * never runs dry.
   */
  readonly #creditStepBytes: number;
  readonly #reader = new RecordReader();
  readonly #ranges: InboxRanges;
  readonly #quotas: InboxQuotas;
  readonly #insertions: Insertions;
  readonly #inserts: InsertWriter;
  readonly #direct: RecordBatches;
  readonly #attachments = new Attachments();
  /** By token. */
  readonly #attaching = new Map<number, Attaching>();
  readonly #detaching = new PendingRequests<Waiting<() => void>>();
  readonly #subscribing = new PendingRequests<Waiting<(status: InboxSubscribeStatus) => void>>();
  readonly #unsubscribing = new PendingRequests<Waiting<(existed: boolean) => void>>();
  readonly #committing = new PendingRequests<Waiting<() => void>>();
  readonly #returns: CommandReturns;

  constructor(options: InboxClientOptions) {
    const { endpoint, ranges, windowBytes } = options;
    this.#options = options;
    this.#boot = ranges.boot;
    this.#creditStepBytes = windowBytes / 4;
    this.#ranges = new InboxRanges(ranges);
    this.#quotas = new InboxQuotas(options);
    this.#insertions = new Insertions((...part) => this.#quotas.releaseBytes(...part));
    this.#inserts = new InsertWriter(endpoint, this.#ranges, this.#insertions, this.#quotas);
    this.#direct = new RecordBatches(endpoint, RecordType.INBOX_COMMAND);
    this.#returns = new CommandReturns(this.#ranges, this.#inserts, {
      attachRefused: (token) => this.handleAttached(token, refusedAttach(AttachStatus.UNAVAILABLE)),
      detached: (request) => this.handleDetached(request),
      subscribeRefused: (request) =>
        this.handleSubscribed(request, InboxSubscribeStatus.UNAVAILABLE),
      commandLost: (token) => this.#commandLost(token),
      insertRefused: (request, status) => this.#insertions.failed(request, status),
    });
    ranges.register(ServiceId.INBOX, this.#returns);
    const handlePush = (token: number, push: InboxPush) => this.#handlePush(token, push);
    endpoint.setHandler(RecordType.INBOX_PUSH, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      readPushes(this.#reader, handlePush);
      this.#reader.release();
    });
    endpoint.setHandler(RecordType.INBOX_REPLY, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      readInboxReplies(this.#reader, this);
      this.#reader.release();
    });
  }

  attach(request: AttachRequest, session: InboxSession, done: (reply: AttachReply) => void): void {
    const { tenantId, clientId } = request;
    const bucket = bucketOf(tenantId, clientId);
    const owner = this.#ranges.threadOf(bucket);
    const attachment = this.#attachments.add(session, bucket, owner);
    this.#attaching.set(attachment.token, { attachment, request, done });
    if (owner === 0 && request.cleanStart && request.sessionExpirySeconds === 0) {
      // What may be stored under this name lies in a range that is set aside. This client neither
      // wants it nor leaves anything behind, so its connection does without the store.
      this.handleAttached(attachment.token, refusedAttach(AttachStatus.ABSENT));
      return;
    }
    const mayCreate = request.sessionExpirySeconds > 0 && !this.#options.ranges.isDiskFull;
    if (mayCreate || owner === 0) {
      this.#proposeAttach(attachment, request);
      return;
    }
    // Nothing will be created: mostly nothing is there either, and then the disk has no part in it.
    // A full one has room for the sessions that are there.
    writeProbe(this.#direct.writer(owner), attachment.token, { bucket, tenantId, clientId });
    this.#direct.flushTarget(owner);
  }

  detach(
    session: InboxSession,
    sessionExpirySeconds: number,
    discardWill: boolean,
    done: () => void,
  ): void {
    const attachment = this.#attachments.remove(session);
    if (attachment?.isProposed !== true) {
      done();
      return;
    }
    const { bucket, owner } = attachment;
    const request = this.#detaching.add({ owner, attachment, done });
    const how = { sessionExpirySeconds, discardWill };
    writeDetach(this.#ranges.writer(bucket), attachment, request, how);
  }

  subscribe(
    session: InboxSession,
    subscription: WantedSubscription,
    limit: number,
    done: (status: InboxSubscribeStatus) => void,
  ): void {
    const attachment = this.#attachments.of(session);
    if (attachment === null) {
      done(InboxSubscribeStatus.UNAVAILABLE);
      return;
    }
    if (this.#options.ranges.isDiskFull) {
      const { isStored = false, isReplayOwed = false } = subscription;
      if (!isStored) done(InboxSubscribeStatus.QUOTA);
      else if (!isReplayOwed) done(InboxSubscribeStatus.REPLACED);
      // To note that retained messages are owed takes no more room than an acknowledgement.
      if (!isStored || !isReplayOwed) return;
    }
    const { bucket, owner } = attachment;
    const request = this.#subscribing.add({ owner, attachment, done });
    writeSubscribe(this.#ranges.writer(bucket), attachment, request, limit, subscription);
  }

  unsubscribe(session: InboxSession, filter: string, done: (existed: boolean) => void): void {
    const attachment = this.#attachments.of(session);
    if (attachment === null) {
      done(false);
      return;
    }
    const { bucket, owner } = attachment;
    const request = this.#unsubscribing.add({ owner, attachment, done });
    writeUnsubscribe(this.#ranges.writer(bucket), attachment, request, filter);
  }

  commit(session: InboxSession, op: InboxOp, packetId: number, done: (() => void) | null): void {
    const attachment = this.#attachments.of(session);
    if (attachment === null) return;
    const { bucket, owner } = attachment;
    const request = done === null ? 0 : this.#committing.add({ owner, attachment, done });
    writeCommit(this.#ranges.writer(bucket), attachment, request, op, packetId);
  }

  replay(session: InboxSession, step: ReplayStep, filter: string): void {
    const attachment = this.#attachments.of(session);
    if (attachment === null) return;
    writeReplay(this.#ranges.writer(attachment.bucket), attachment, step, filter);
  }

  insert(
    message: Message,
    receivers: readonly InboxReceiver[],
    done: ((statuses: Uint8Array) => void) | null,
  ): void {
    if (this.#options.ranges.isDiskFull) {
      this.#options.counters[Counter.DROPPED_DISK_FULL]! += receivers.length;
      this.#inserts.refuse(receivers, done);
      return;
    }
    this.#inserts.insert(message, receivers, done);
  }

  /** An insert that no inbox is for, so that it stores nothing: what it says is the answer. */
  askTaken(message: Message, shareFilter: string, done: (status: InsertStatus) => void): void {
    if (this.#options.ranges.isDiskFull) {
      this.#options.counters[Counter.DROPPED_DISK_FULL]! += 1;
      done(InsertStatus.NO_ROOM);
      return;
    }
    if (!this.#ranges.isWhole) {
      // A range that is set aside may have stored it.
      done(InsertStatus.UNAVAILABLE);
      return;
    }
    const buckets = this.#ranges.firstBuckets();
    const receivers = buckets.map((bucket) =>
      forNobody(bucket, NobodyInsert.QUESTION, shareFilter),
    );
    this.insert(withoutContent(message), receivers, (statuses) => {
      // Of a range that was cut meanwhile only one half has been asked.
      if (this.#ranges.firstBuckets() !== buckets) {
        this.askTaken(message, shareFilter, done);
        return;
      }
      const isTaken = statuses.includes(InsertStatus.STORED);
      const failure = statuses.find((status) => status !== InsertStatus.NO_INBOX);
      done(isTaken ? InsertStatus.STORED : ((failure ?? InsertStatus.NO_INBOX) as InsertStatus));
    });
  }

  /**
   * In the range of the publisher's own inbox, and before its packet identifier: whoever finds that
   * after a crash finds this too.
   */
  noteTaken(message: Message, shareFilter: string): void {
    const { origin } = message;
    if (origin === null) return;
    const receiver = forNobody(bucketOfId(origin.publisher), NobodyInsert.SERVED, shareFilter);
    this.#inserts.insert(withoutContent(message), [receiver], null);
  }

  /**
   * What may be sent again is noted first, in the range of its publisher's inbox, by group: later
   * nobody knows who has had it.
   */
  insertQosZero(message: Message, receivers: readonly InboxReceiver[]): void {
    const { origin } = message;
    if (origin === null) {
      this.#inserts.insertQosZero(message, receivers);
      return;
    }
    const names = [...new Set(receivers.map(({ shareFilter }) => shareFilter ?? NO_GROUP))];
    const bucket = bucketOfId(origin.publisher);
    const notes = names.map((name) => forNobody(bucket, NobodyInsert.PASSING, name));
    this.#inserts.insert(withoutContent(message), notes, (statuses) => {
      const isFirst = ({ shareFilter }: InboxReceiver) => {
        return statuses[names.indexOf(shareFilter ?? NO_GROUP)] === InsertStatus.NO_INBOX;
      };
      const passing = receivers.filter(isFirst);
      if (passing.length > 0) this.#inserts.insertQosZero(message, passing);
    });
  }

  /** End of a duty cycle: sends what does not go through a log. */
  flush(): void {
    this.#direct.flush();
  }

  /** Infinity when nothing is due. */
  get nextDeadlineMs(): number {
    return this.#returns.hasKept ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Proposes again what was refused and must not be forgotten. */
  handleTimeout(): void {
    this.#returns.retry();
  }

  /** The owner's worker died, and its rings are replaced; its ranges come back with their state. */
  peerLost(owner: number): void {
    this.#direct.drop(owner);
    for (const attachment of this.#attachments.removeOwner(owner)) {
      // Who still waits for the attach learns it from the answer.
      if (!this.#attaching.has(attachment.token)) attachment.session.handleInboxLost();
    }
    for (const [token, { attachment }] of [...this.#attaching]) {
      if (attachment.owner === owner) {
        this.handleAttached(token, refusedAttach(AttachStatus.UNAVAILABLE));
      }
    }
    // The inbox counts them as lost when its range is back.
    for (const { done } of this.#detaching.takeOwner(owner)) done();
    for (const { done } of this.#subscribing.takeOwner(owner)) {
      done(InboxSubscribeStatus.UNAVAILABLE);
    }
    for (const { done } of this.#unsubscribing.takeOwner(owner)) done(false);
    // Never called back: PUBREC and PUBREL must not leave for what was not stored; the sessions are
    // closing.
    this.#committing.takeOwner(owner);
    this.#insertions.ownerLost(owner);
  }

  handleAttached(token: number, reply: AttachReply): void {
    const attaching = this.#attaching.get(token);
    if (attaching === undefined) {
      this.#detachStray(token, reply);
      return;
    }
    this.#attaching.delete(token);
    const { attachment, request } = attaching;
    if (attachment.isProposed && request.sessionExpirySeconds > 0) {
      this.#quotas.releaseSession(request.tenantId);
    }
    const { session } = attachment;
    const isCurrent = this.#attachments.byToken(token) !== null;
    if (isCurrent && reply.status !== AttachStatus.ATTACHED) this.#attachments.remove(session);
    attaching.done(reply);
  }

  handleProbed(token: number, mayExist: boolean): void {
    const attaching = this.#attaching.get(token);
    if (attaching === undefined) return;
    const { attachment, request } = attaching;
    const isWanted = request.sessionExpirySeconds > 0;
    const absent = isWanted ? AttachStatus.QUOTA : AttachStatus.ABSENT;
    if (!mayExist) this.handleAttached(token, refusedAttach(absent));
    else if (this.#attachments.byToken(token) !== null) this.#proposeAttach(attachment, request);
    // The connection ended meanwhile, and nothing has been proposed for it.
    else this.#attaching.delete(token);
  }

  handleDetached(request: number): void {
    this.#detaching.take(request)?.done();
  }

  handleSubscribed(request: number, status: InboxSubscribeStatus): void {
    this.#subscribing.take(request)?.done(status);
  }

  handleUnsubscribed(request: number, existed: boolean): void {
    this.#unsubscribing.take(request)?.done(existed);
  }

  handleCommitted(request: number, isStale: boolean): void {
    const committing = this.#committing.take(request);
    // Stale: another connection has the session, so nothing may be promised to this one's client
    // any more.
    if (!isStale) committing?.done();
  }

  handleInserted(request: number, statuses: Uint8Array): void {
    this.#insertions.answered(request, statuses);
  }

  #proposeAttach(attachment: Attachment, request: AttachRequest): void {
    attachment.isProposed = true;
    const writer = this.#ranges.writer(attachment.bucket);
    const mayCreate = request.sessionExpirySeconds > 0;
    const room = mayCreate ? this.#quotas.reserveSession(request.tenantId) : UNLIMITED_SESSIONS;
    writeAttach(writer, attachment.token, request, this.#options.windowBytes, room);
  }

  /**
   * The attach was given up for lost, and has been applied all the same: the session would stay
   * attached to nobody, and never end.
   */
  #detachStray(token: number, { status, incarnation }: AttachReply): void {
    if (status !== AttachStatus.ATTACHED) return;
    const bucket = bucketOfId(incarnation);
    const how = { sessionExpirySeconds: -1, discardWill: true };
    writeDetach(this.#ranges.writer(bucket), { bucket, token }, 0, how);
  }

  /** A command of this session was not taken: its inbox and its client would disagree. */
  #commandLost(token: number): void {
    this.#attachments.byToken(token)?.session.handleInboxLost();
  }

  #handlePush(token: number, push: InboxPush): void {
    const attachment = this.#attachments.byToken(token);
    // Detached meanwhile: QoS 1 and 2 stay in flight in the inbox, QoS 0 is gone.
    if (attachment === null) return;
    const bytes = push.hasMessage && push.qos === 0 ? push.record.footprint : 0;
    attachment.session.handleInboxPush(push);
    if (bytes > 0) this.#credit(attachment, bytes);
  }

  #credit(attachment: Attachment, bytes: number): void {
    attachment.takenBytes += bytes;
    if (attachment.takenBytes < this.#creditStepBytes) return;
    const { bucket, token, takenBytes } = attachment;
    const owner = this.#ranges.threadOf(bucket);
    attachment.takenBytes = 0;
    if (owner === 0) return;
    writeCredit(this.#direct.writer(owner), { bucket, boot: this.#boot, token }, takenBytes);
  }
}
