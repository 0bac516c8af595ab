/**
 * Commands that come back from the way to their range: because the range was cut or merged, then
 * they are written once more, or because they were not taken, then whoever waits is told.
 *
 * Some must not be lost although nobody waits: a detach, and what the range's own worker proposes
 * about wills done and workers lost. They are kept and proposed again, a few times per second,
 * until they are taken. Thread: worker. Scope: one per InboxClient.
 */

import type { RecordReader } from "../../shared/bytes/record-reader.ts";
import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import {
  type AttachRequest,
  type InboxOp,
  type InboxReceiver,
  type InsertLimits,
  InsertStatus,
  type ReplayStep,
  type WantedSubscription,
} from "../../shared/inbox/inbox-types.ts";
import {
  type Attached,
  type Detaching,
  type LogCommandHandler,
  readLogCommands,
  writeAttach,
  writeCommit,
  writeDetach,
  writeDue,
  writeLost,
  writeOutboxDone,
  writeReplay,
  writeSubscribe,
  writeUnsubscribe,
} from "../../shared/inbox/log-command.ts";
import { bucketOf, bucketOfId } from "../../shared/inbox/range/inbox-key.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import type { PublishOrigin } from "../../shared/mqtt/publish-origin.ts";
import { RefusalReason } from "../../shared/range/refusal-reason.ts";
import type { CommandOwner } from "../ranges/range-client-api.ts";
import type { InboxRanges } from "./inbox-ranges.ts";
import type { InsertWriter } from "./insert-writer.ts";

/** Who is told of commands that were not taken. */
export interface RefusalSink {
  attachRefused(token: number): void;
  /** The detach will be proposed again; nobody needs to wait for it. */
  detached(request: number): void;
  subscribeRefused(request: number): void;
  /** Of an attached session that cannot go on without it. */
  commandLost(token: number): void;
  insertRefused(request: number, status: InsertStatus): void;
}

/** Gathers an insert, whose parts come one by one. */
class GatheredInsert {
  request = 0;
  origin: PublishOrigin | null = null;
  message: Message | null = null;
  receivers: InboxReceiver[] = [];

  begin(message: Message): void {
    this.message = message;
    this.receivers = [];
  }

  add(receiver: InboxReceiver): void {
    this.receivers.push({ ...receiver });
  }
}

/** Writes each command once more, for its own key. */
class Rerouter implements LogCommandHandler {
  readonly #ranges: InboxRanges;
  readonly #inserts: InsertWriter;
  readonly #insert = new GatheredInsert();

  constructor(ranges: InboxRanges, inserts: InsertWriter) {
    this.#ranges = ranges;
    this.#inserts = inserts;
  }

  attach(token: number, request: AttachRequest, windowBytes: number, sessionRoom: number): void {
    const bucket = bucketOf(request.tenantId, request.clientId);
    writeAttach(this.#ranges.writer(bucket), token, request, windowBytes, sessionRoom);
  }

  detach(attached: Attached, request: number, detaching: Detaching): void {
    writeDetach(this.#ranges.writer(attached.bucket), attached, request, detaching);
  }

  subscribe(
    attached: Attached,
    request: number,
    limit: number,
    subscription: WantedSubscription,
  ): void {
    const writer = this.#ranges.writer(attached.bucket);
    writeSubscribe(writer, attached, request, limit, subscription);
  }

  unsubscribe(attached: Attached, request: number, filter: string): void {
    writeUnsubscribe(this.#ranges.writer(attached.bucket), attached, request, filter);
  }

  commit(attached: Attached, request: number, op: InboxOp, packetId: number): void {
    writeCommit(this.#ranges.writer(attached.bucket), attached, request, op, packetId);
  }

  replay(attached: Attached, step: ReplayStep, filter: string): void {
    writeReplay(this.#ranges.writer(attached.bucket), attached, step, filter);
  }

  /** Its limits were for the range as it was. */
  insertHeader(request: number, _limits: InsertLimits, origin: PublishOrigin | null): void {
    this.#insert.request = request;
    this.#insert.origin = origin;
  }

  insertBegin(message: Message): void {
    this.#insert.begin(message);
  }

  insertReceiver(receiver: InboxReceiver): void {
    this.#insert.add(receiver);
  }

  insertEnd(): void {
    const { message, receivers, request, origin } = this.#insert;
    if (message === null) return;
    message.origin = origin;
    this.#inserts.insertAgain(message, receivers, request);
  }

  /** Of a range that was cut, either half may have such attachments; elsewhere it does nothing. */
  lost(_bucket: number, boot: number, lastToken: number): void {
    for (const bucket of this.#ranges.firstBuckets()) {
      writeLost(this.#ranges.writer(bucket), bucket, boot, lastToken);
    }
  }

  due(incarnation: number): void {
    writeDue(this.#ranges.writer(bucketOfId(incarnation)), incarnation);
  }

  outboxDone(record: number): void {
    writeOutboxDone(this.#ranges.writer(bucketOfId(record)), record);
  }
}

/** Tells whoever waits, and keeps what must be proposed again. */
class Refuser implements LogCommandHandler {
  reason: RefusalReason = RefusalReason.UNAVAILABLE;
  readonly #sink: RefusalSink;
  readonly #keep: (bucket: number, write: (writer: RecordWriter) => void) => void;
  #insertRequest = 0;

  constructor(
    sink: RefusalSink,
    keep: (bucket: number, write: (writer: RecordWriter) => void) => void,
  ) {
    this.#sink = sink;
    this.#keep = keep;
  }

  attach(token: number): void {
    this.#sink.attachRefused(token);
  }

  detach({ bucket, token }: Attached, request: number, detaching: Detaching): void {
    // Of a worker that died, the range itself counts all attachments as lost, and does so before
    // anything that could be proposed again: the good-bye has come too late.
    if (this.reason !== RefusalReason.LOST) {
      this.#keep(bucket, (writer) => writeDetach(writer, { bucket, token }, 0, detaching));
    }
    this.#sink.detached(request);
  }

  subscribe(_attached: Attached, request: number): void {
    this.#sink.subscribeRefused(request);
  }

  unsubscribe({ token }: Attached): void {
    this.#sink.commandLost(token);
  }

  commit({ token }: Attached): void {
    this.#sink.commandLost(token);
  }

  replay({ token }: Attached): void {
    this.#sink.commandLost(token);
  }

  insertHeader(request: number): void {
    this.#insertRequest = request;
  }

  insertBegin(): void {}

  insertReceiver(): void {}

  insertEnd(): void {
    if (this.#insertRequest === 0) return;
    const isTooLarge = this.reason === RefusalReason.TOO_LARGE;
    const status = isTooLarge ? InsertStatus.NO_ROOM : InsertStatus.UNAVAILABLE;
    this.#sink.insertRefused(this.#insertRequest, status);
  }

  lost(bucket: number, boot: number, lastToken: number): void {
    this.#keep(bucket, (writer) => writeLost(writer, bucket, boot, lastToken));
  }

  /** The range names it again by itself. */
  due(): void {}

  outboxDone(record: number): void {
    this.#keep(bucketOfId(record), (writer) => writeOutboxDone(writer, record));
  }
}

export class CommandReturns implements CommandOwner {
  readonly #ranges: InboxRanges;
  readonly #rerouter: Rerouter;
  readonly #refuser: Refuser;
  #kept: { readonly bucket: number; readonly write: (writer: RecordWriter) => void }[] = [];

  constructor(ranges: InboxRanges, inserts: InsertWriter, sink: RefusalSink) {
    this.#ranges = ranges;
    this.#rerouter = new Rerouter(ranges, inserts);
    this.#refuser = new Refuser(sink, (bucket, write) => this.#kept.push({ bucket, write }));
  }

  /** Something is to be proposed again. */
  get hasKept(): boolean {
    return this.#kept.length > 0;
  }

  reroute(commands: RecordReader): void {
    readLogCommands(commands, this.#rerouter);
  }

  refused(commands: RecordReader, reason: RefusalReason): void {
    this.#refuser.reason = reason;
    readLogCommands(commands, this.#refuser);
  }

  /** Proposes what was kept; what is refused again comes back. */
  retry(): void {
    const kept = this.#kept;
    if (kept.length === 0) return;
    this.#kept = [];
    for (const { bucket, write } of kept) write(this.#ranges.writer(bucket));
  }
}
