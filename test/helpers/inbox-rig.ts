/**
 * One inbox range with its log and store, and workers that send it commands as bytes: what is
 * applied can be collected, made durable, and lost by a crash at any moment, after which the range
 * is opened again and the log applied from where the store is.
 */

import { RecordReader } from "../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../src/shared/bytes/record-writer.ts";
import type {
  AttachReply,
  AttachRequest,
  InboxOp,
  InboxReceiver,
  InboxSubscribeStatus,
  InsertLimits,
  ReplayStep,
  WantedSubscription,
} from "../../src/shared/inbox/inbox-types.ts";
import { writeInsert } from "../../src/shared/inbox/insert-codec.ts";
import {
  writeAttach,
  writeCommit,
  writeDetach,
  writeDue,
  writeInsertHeader,
  writeLost,
  writeOutboxDone,
  writeReplay,
  writeSubscribe,
  writeUnsubscribe,
} from "../../src/shared/inbox/log-command.ts";
import type { Delivery } from "../../src/shared/inbox/range/delivery.ts";
import type { Inbox, Subscribed } from "../../src/shared/inbox/range/inbox.ts";
import { bucketOf } from "../../src/shared/inbox/range/inbox-key.ts";
import type {
  InboxOutput,
  PushTarget,
  Requester,
  SubscribeAnswer,
} from "../../src/shared/inbox/range/inbox-output.ts";
import { InboxRange } from "../../src/shared/inbox/range/inbox-range.ts";
import type { OutboxRecord } from "../../src/shared/inbox/range/outbox.ts";
import { COUNTER_COLUMNS } from "../../src/shared/metrics/counter-table.ts";
import type { Message } from "../../src/shared/mqtt/message.ts";
import { MapKeyValues } from "./map-key-values.ts";
import { OPTIONS, payloadOf } from "./service-workers.ts";

export const NO_LIMITS: InsertLimits = {
  sessionInboxSize: 1000,
  sessionBytes: Number.MAX_SAFE_INTEGER,
  tenantRoom: Number.MAX_SAFE_INTEGER,
  processRoom: Number.MAX_SAFE_INTEGER,
};

export const WINDOW_BYTES = 1 << 20;

export interface RecordedPush {
  readonly token: number;
  readonly payload: string | null;
  readonly packetId: number;
  readonly qos: number;
  readonly dup: boolean;
}

/** Writes down what the range tells its worker. */
export class RangeRecorder implements InboxOutput {
  readonly pushes: RecordedPush[] = [];
  readonly replies: { token: number; reply: AttachReply }[] = [];
  readonly routes: { filter: string; answered: boolean }[] = [];
  readonly refusals: InboxSubscribeStatus[] = [];
  readonly commits: { request: number; isStale: boolean }[] = [];
  readonly statuses: number[][] = [];
  readonly owed: OutboxRecord[] = [];
  readonly lostWorkers: { boot: number; lastToken: number; bucket: number }[] = [];
  readonly online = new Set<string>();
  readonly loads = new Map<string, number>();
  missed = 0;
  detaches = 0;
  pending = 0;
  isBlocked = false;
  onPush: ((push: RecordedPush) => void) | null = null;

  /** "payload#id", "payload#id!" with DUP, "PUBREL#id"; since the last call. */
  takePushes(): string[] {
    return this.pushes.splice(0).map(({ payload, packetId, dup }) => {
      return `${payload ?? "PUBREL"}#${packetId}${dup ? "!" : ""}`;
    });
  }

  attached({ token }: PushTarget, reply: AttachReply): void {
    this.replies.push({ token, reply });
  }

  detached(): void {
    this.detaches += 1;
  }

  subscribeRefused(_requester: Requester, status: InboxSubscribeStatus): void {
    this.refusals.push(status);
  }

  unsubscribeMissed(): void {
    this.missed += 1;
  }

  addRoute(_inbox: Inbox, { filter }: Subscribed, answer: SubscribeAnswer | null): void {
    this.routes.push({ filter, answered: answer !== null });
  }

  onlineChanged(inbox: Inbox, isOnline: boolean): void {
    if (isOnline) this.online.add(inbox.clientId);
    else this.online.delete(inbox.clientId);
  }

  loadChanged(inbox: Inbox): void {
    this.loads.set(inbox.clientId, inbox.load);
  }

  committed({ request }: Requester, isStale: boolean): void {
    this.commits.push({ request, isStale });
  }

  inserted(_requester: Requester, statuses: Uint8Array, count: number, pending: number): void {
    this.statuses.push([...statuses.subarray(0, count)]);
    this.pending = pending;
  }

  canPush(): boolean {
    return !this.isBlocked;
  }

  push({ token }: PushTarget, delivery: Delivery, dup: boolean): void {
    const { stored, packetId, qos } = delivery;
    const payload = stored === null ? null : payloadOf(stored.message);
    const push = { token, payload, packetId, qos, dup };
    this.pushes.push(push);
    this.onPush?.(push);
  }

  owe(record: OutboxRecord): void {
    this.owed.push(record);
  }

  lost(boot: number, lastToken: number, bucket: number): void {
    this.lostWorkers.push({ boot, lastToken, bucket });
  }
}

/** A batch as the log has it. */
interface LogEntry {
  readonly bytes: Uint8Array;
  readonly nowMs: number;
  readonly boot: number;
  readonly thread: number;
}

const NO_KEY = new Uint8Array(0);
export const THREAD = 1;

export class InboxRig {
  readonly store = new MapKeyValues();
  readonly counters = new Float64Array(COUNTER_COLUMNS);
  readonly log: LogEntry[] = [];
  recorder = new RangeRecorder();
  range: InboxRange;
  /** Of the process; grows with every crash. */
  boot = 1;
  nowMs = 0;
  /** Entries of the log that are applied, and those that the store has the effects of. */
  applied = 0;
  durable = 0;
  #collected = -1;
  #lastRequest = 0;
  readonly #writer = new RecordWriter();
  readonly #reader = new RecordReader();

  constructor() {
    this.range = this.#open();
    this.range.goLive();
  }

  /** Appends one batch to the log and applies it. */
  command(write: (writer: RecordWriter) => void, thread = THREAD): void {
    this.#writer.clear();
    write(this.#writer);
    const bytes = this.#writer.bytes.slice(0, this.#writer.size);
    this.log.push({ bytes, nowMs: this.nowMs, boot: this.boot, thread });
    this.#applyNext();
  }

  attach(clientId: string, token: number, fields: Partial<AttachRequest> = {}): AttachReply {
    const request: AttachRequest = {
      tenantId: "t",
      clientId,
      userId: "user",
      epoch: token,
      cleanStart: false,
      sessionExpirySeconds: 3600,
      receiveMaximum: 10,
      will: null,
      ...fields,
    };
    this.command((writer) => writeAttach(writer, token, request, WINDOW_BYTES));
    return this.recorder.replies.at(-1)!.reply;
  }

  detach(clientId: string, token: number, expirySeconds = -1, discardWill = false): void {
    const detaching = { sessionExpirySeconds: expirySeconds, discardWill };
    this.command((writer) => writeDetach(writer, place(clientId, token), 1, detaching));
  }

  subscribe(clientId: string, token: number, filter: string, limit = 0): void {
    this.#subscribe(clientId, token, { filter, options: OPTIONS }, limit);
  }

  /** Its retained messages are owed. */
  subscribeOwed(clientId: string, token: number, filter: string): void {
    this.#subscribe(clientId, token, { filter, options: OPTIONS, isReplayOwed: true }, 0);
  }

  replay(clientId: string, token: number, step: ReplayStep, filter: string): void {
    this.command((writer) => writeReplay(writer, place(clientId, token), step, filter));
  }

  #subscribe(
    clientId: string,
    token: number,
    subscription: WantedSubscription,
    limit: number,
  ): void {
    this.command((writer) => {
      writeSubscribe(writer, place(clientId, token), this.#request(), limit, subscription);
    });
  }

  unsubscribe(clientId: string, token: number, filter: string): void {
    this.command((writer) => {
      writeUnsubscribe(writer, place(clientId, token), this.#request(), filter);
    });
  }

  commit(clientId: string, token: number, op: InboxOp, packetId: number): void {
    this.command((writer) => {
      writeCommit(writer, place(clientId, token), this.#request(), op, packetId);
    });
  }

  /** Returns the statuses, in order. */
  insert(
    message: Message,
    receivers: readonly InboxReceiver[],
    limits: InsertLimits = NO_LIMITS,
  ): number[] {
    this.command((writer) => {
      writeInsertHeader(writer, this.#request(), limits, message.origin);
      writeInsert(writer, message, receivers);
    });
    return this.recorder.statuses.at(-1) ?? [];
  }

  /** The incarnation of a client's session; 0 when there is none. */
  incarnation(clientId: string, tenantId = "t"): number {
    return this.range.find(tenantId, clientId)?.id ?? 0;
  }

  /** Time passes: proposes what is due then, until nothing is. */
  advance(ms: number): void {
    this.nowMs += ms;
    for (let round = 0; round < 10; round++) {
      const due: number[] = [];
      this.range.pollDue(this.nowMs, (incarnation) => due.push(incarnation));
      if (due.length === 0) return;
      for (const incarnation of due) this.command((writer) => writeDue(writer, incarnation));
    }
  }

  /** Does what is owed, and says so. Returns what it was. */
  settle(): OutboxRecord[] {
    const owed = this.recorder.owed.splice(0);
    for (const { id } of owed) this.command((writer) => writeOutboxDone(writer, id));
    return owed;
  }

  collect(): void {
    if (this.#collected >= 0) return;
    this.#collected = this.applied;
    this.range.collect(this.store.writer);
  }

  /** What was collected becomes durable. */
  flush(): void {
    if (this.#collected < 0) return;
    this.store.commit();
    this.durable = this.#collected;
    this.#collected = -1;
    this.range.collected();
  }

  save(): void {
    this.flush();
    this.collect();
    this.flush();
  }

  /** The process dies and starts again. What the range then proposes is applied. */
  crash(): void {
    this.#collected = -1;
    this.store.crash();
    this.range.close();
    this.boot += 1;
    this.recorder = new RangeRecorder();
    this.range = this.#open();
    this.applied = this.durable;
    while (this.applied < this.log.length) this.#applyNext();
    this.range.goLive();
    for (const { boot, lastToken, bucket } of this.recorder.lostWorkers.splice(0)) {
      this.command((writer) => writeLost(writer, bucket, boot, lastToken));
    }
  }

  /**
   * The range is read again from its store and log, as another replica would, and goes on where it
   * was: the workers and their attachments live.
   */
  reopen(): void {
    this.#collected = -1;
    this.store.crash();
    this.range.close();
    this.range = this.#open();
    this.applied = this.durable;
    while (this.applied < this.log.length) this.#applyNext();
    const { state } = this.range;
    state.isLive = true;
    for (const attachments of state.attachments.values()) {
      for (const inbox of attachments.values()) inbox.isReachable = true;
    }
  }

  #open(): InboxRange {
    const bounds = { start: NO_KEY, end: null };
    const range = new InboxRange(bounds, this.store, {
      output: this.recorder,
      counters: this.counters,
    });
    range.load();
    return range;
  }

  #applyNext(): void {
    const { bytes, nowMs, boot, thread } = this.log[this.applied]!;
    this.applied += 1;
    this.#reader.reset(bytes, 0, bytes.length);
    const isOwnBoot = boot === this.boot;
    this.range.apply(this.#reader, { index: this.applied, nowMs, boot, thread, isOwnBoot });
    this.#reader.release();
  }

  #request(): number {
    this.#lastRequest += 1;
    return this.#lastRequest;
  }
}

export function place(clientId: string, token: number): { bucket: number; token: number } {
  return { bucket: bucketOf("t", clientId), token };
}
