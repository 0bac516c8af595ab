/**
 * The inbox service for the sessions and publishes of this worker: commands out, answers and pushes
 * in.
 *
 * Commands of one session reach its owner in call order. Acknowledgements are gathered and leave
 * with `flush` at the end of the duty cycle, or ahead of the next attach, detach, subscribe or
 * unsubscribe. Inserts have no order against them and leave at once.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import {
  writeAttach,
  writeCommit,
  writeCredit,
  writeDetach,
  writeInsert,
  writeSubscribe,
  writeUnsubscribe,
} from "../../shared/inbox/inbox-command.ts";
import {
  type InboxReplyHandler,
  readInboxReplies,
  readPushes,
} from "../../shared/inbox/inbox-reply.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { messageFootprint } from "../../shared/mqtt/message-codec.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { ownerThread } from "../../shared/session-dict/owner-thread.ts";
import type { DeliveryOptions } from "../dist/dist-api.ts";
import { PendingRequests } from "../pending-requests.ts";
import { RecordBatches } from "../record-batches.ts";
import { type Attachment, Attachments } from "./attachments.ts";
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
} from "./inbox-api.ts";

interface Subscribing {
  readonly owner: number;
  readonly done: (status: InboxSubscribeStatus) => void;
}

interface Unsubscribing {
  readonly owner: number;
  readonly done: (existed: boolean) => void;
}

interface Committing {
  readonly owner: number;
  readonly done: () => void;
}

interface Inserting {
  readonly owner: number;
  readonly receiverCount: number;
  readonly done: (statuses: Uint8Array, pending: number) => void;
}

interface Attaching {
  readonly attachment: Attachment;
  readonly done: (reply: AttachReply) => void;
}

const UNAVAILABLE: AttachReply = Object.freeze({
  status: AttachStatus.UNAVAILABLE,
  sessionPresent: false,
  subscriptions: [],
  inboundPacketIds: [],
});

export class RingInboxClient implements InboxClient, InboxReplyHandler {
  readonly #endpoint: RingEndpoint;
  readonly #workerCount: number;
  /**
   * A session's QoS 0 bytes are reported in steps of a quarter of the window, so that the owner
   * never runs dry.
   */
  readonly #creditStepBytes: number;
  readonly #reader = new RecordReader();
  readonly #insertWriter = new RecordWriter();
  readonly #commands: RecordBatches;
  readonly #attachments = new Attachments();
  /** By token. */
  readonly #attaching = new Map<number, Attaching>();
  readonly #subscribing = new PendingRequests<Subscribing>();
  readonly #unsubscribing = new PendingRequests<Unsubscribing>();
  readonly #committing = new PendingRequests<Committing>();
  readonly #inserting = new PendingRequests<Inserting>();

  /** `windowBytes`: as given to every InboxService. */
  constructor(endpoint: RingEndpoint, windowBytes: number) {
    this.#endpoint = endpoint;
    this.#workerCount = endpoint.threadCount - 1;
    this.#creditStepBytes = windowBytes / 4;
    this.#commands = new RecordBatches(endpoint, RecordType.INBOX_COMMAND);
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

  ownerThread(tenantId: string, clientId: string): number {
    return ownerThread(tenantId, clientId, this.#workerCount);
  }

  attach(request: AttachRequest, session: InboxSession, done: (reply: AttachReply) => void): void {
    const owner = this.ownerThread(request.tenantId, request.clientId);
    const attachment = this.#attachments.add(session, owner);
    this.#attaching.set(attachment.token, { attachment, done });
    writeAttach(this.#commands.writer(owner), attachment.token, request);
    this.#commands.flushTarget(owner);
  }

  detach(session: InboxSession, sessionExpirySeconds: number, discardWill: boolean): void {
    const attachment = this.#attachments.remove(session);
    if (attachment === null) return;
    const { owner, token } = attachment;
    writeDetach(this.#commands.writer(owner), token, sessionExpirySeconds, discardWill);
    this.#commands.flushTarget(owner);
  }

  subscribe(
    session: InboxSession,
    filter: string,
    options: DeliveryOptions,
    done: (status: InboxSubscribeStatus) => void,
  ): void {
    const attachment = this.#attachments.of(session);
    if (attachment === null) {
      done(InboxSubscribeStatus.UNAVAILABLE);
      return;
    }
    const { owner, token } = attachment;
    const request = this.#subscribing.add({ owner, done });
    writeSubscribe(this.#commands.writer(owner), token, request, { filter, options });
    this.#commands.flushTarget(owner);
  }

  unsubscribe(session: InboxSession, filter: string, done: (existed: boolean) => void): void {
    const attachment = this.#attachments.of(session);
    if (attachment === null) {
      done(false);
      return;
    }
    const { owner, token } = attachment;
    const request = this.#unsubscribing.add({ owner, done });
    writeUnsubscribe(this.#commands.writer(owner), token, request, filter);
    this.#commands.flushTarget(owner);
  }

  commit(session: InboxSession, op: InboxOp, packetId: number, done: (() => void) | null): void {
    const attachment = this.#attachments.of(session);
    if (attachment === null) return;
    const { owner, token } = attachment;
    const request = done === null ? 0 : this.#committing.add({ owner, done });
    writeCommit(this.#commands.writer(owner), token, request, op, packetId);
    if (this.#commands.isFull(owner)) this.#commands.flushTarget(owner);
  }

  insert(
    owner: number,
    message: Message,
    receivers: readonly InboxReceiver[],
    done: ((statuses: Uint8Array, pending: number) => void) | null,
  ): void {
    const receiverCount = receivers.length;
    const request = done === null ? 0 : this.#inserting.add({ owner, receiverCount, done });
    const writer = this.#insertWriter;
    writeInsert(writer, request, message, receivers);
    this.#endpoint.enqueue(owner, RecordType.INBOX_COMMAND, writer.bytes, 0, writer.size);
    writer.clear();
  }

  /** End of a duty cycle: sends the gathered acknowledgements. */
  flush(): void {
    this.#commands.flush();
  }

  /** Sends what waits for one owner, e.g. ahead of a release in the session dictionary. */
  flushOwner(owner: number): void {
    this.#commands.flushTarget(owner);
  }

  /** The owner's worker died with its inboxes, and its rings are replaced. */
  peerLost(owner: number): void {
    this.#commands.drop(owner);
    for (const attachment of this.#attachments.removeOwner(owner)) {
      // Who still waits for the attach learns it from the answer.
      if (!this.#attaching.has(attachment.token)) attachment.session.handleInboxLost();
    }
    for (const { done } of this.#takeAttaching(owner)) done(UNAVAILABLE);
    for (const { done } of this.#subscribing.takeOwner(owner)) {
      done(InboxSubscribeStatus.UNAVAILABLE);
    }
    for (const { done } of this.#unsubscribing.takeOwner(owner)) done(false);
    // Never called back: PUBREC and PUBREL must not leave for what was not stored; the sessions are
    // closing.
    this.#committing.takeOwner(owner);
    for (const { done, receiverCount } of this.#inserting.takeOwner(owner)) {
      done(new Uint8Array(receiverCount).fill(InsertStatus.UNAVAILABLE), 0);
    }
  }

  handleAttached(token: number, reply: AttachReply): void {
    const attaching = this.#attaching.get(token);
    if (attaching === undefined) return;
    this.#attaching.delete(token);
    const { session } = attaching.attachment;
    const isCurrent = this.#attachments.byToken(token) !== null;
    if (isCurrent && reply.status !== AttachStatus.ATTACHED) this.#attachments.remove(session);
    attaching.done(reply);
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

  handleInserted(request: number, statuses: Uint8Array, pending: number): void {
    this.#inserting.take(request)?.done(statuses, pending);
  }

  #handlePush(token: number, push: InboxPush): void {
    const attachment = this.#attachments.byToken(token);
    // Detached meanwhile: QoS 1 and 2 stay in flight at the owner, QoS 0 is gone.
    if (attachment === null) return;
    const message = push.message;
    attachment.session.handleInboxPush(push);
    if (message !== null && push.qos === 0) this.#credit(attachment, messageFootprint(message));
  }

  #credit(attachment: Attachment, bytes: number): void {
    attachment.takenBytes += bytes;
    if (attachment.takenBytes < this.#creditStepBytes) return;
    const { owner, token } = attachment;
    writeCredit(this.#commands.writer(owner), token, attachment.takenBytes);
    attachment.takenBytes = 0;
  }

  #takeAttaching(owner: number): Attaching[] {
    const taken: Attaching[] = [];
    for (const [token, attaching] of this.#attaching) {
      if (attaching.attachment.owner !== owner) continue;
      this.#attaching.delete(token);
      taken.push(attaching);
    }
    return taken;
  }
}
