/**
 * Command bytes in, changes of one partition's retained messages and answers out. Deterministic:
 * time is an argument, limits come from the options.
 * Flow: publish (retain) and subscribe. Thread: the owner of the partition. Scope: one per worker.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import { messageInRecord } from "../mqtt/message-codec.ts";
import type { RetainedTrie } from "../topic/retained-trie.ts";
import {
  beginBatch,
  finishBatch,
  type RetainCommandHandler,
  readRetainCommand,
  type ScanRequest,
  writeStored,
} from "./retain-command.ts";
import { RetainCursors } from "./retain-cursors.ts";
import { RetainForm, type RetainLimits } from "./retain-types.ts";
import { RetainUsage, type Usage } from "./retain-usage.ts";
import { writeRetainedPacket } from "./retained-packet.ts";
import { type RetainedEntry, RetainedStore } from "./retained-store.ts";

export interface RetainOptions {
  readonly trie: RetainedTrie<RetainedEntry>;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  /** The tenant's limits at the time of the call. */
  readonly limitsOf: (tenantId: string) => RetainLimits;
}

const encoder = new TextEncoder();

export class RetainStateMachine implements RetainCommandHandler {
  readonly usage = new RetainUsage();
  readonly store: RetainedStore;
  readonly cursors: RetainCursors;
  readonly #limitsOf: (tenantId: string) => RetainLimits;
  readonly #answer: RecordWriter;
  // Of the record being applied.
  #source = 0;
  #nowMs = 0;

  /**
   * `answer` receives the answer to the record that is applied; still empty afterwards = there is
   * none.
   */
  constructor(options: RetainOptions, answer: RecordWriter) {
    this.store = new RetainedStore(options.trie, this.usage, options.counters);
    this.cursors = new RetainCursors(this.store);
    this.#limitsOf = options.limitsOf;
    this.#answer = answer;
  }

  /** Wall clock; Infinity when nothing is due. */
  get nextDeadlineMs(): number {
    return Math.min(this.store.nextDeadlineMs, this.cursors.nextDeadlineMs);
  }

  apply(reader: RecordReader, source: number, nowMs: number): void {
    this.#source = source;
    this.#nowMs = nowMs;
    readRetainCommand(reader, this);
  }

  handleTimeout(nowMs: number): void {
    this.store.handleTimeout(nowMs);
    this.cursors.handleTimeout(nowMs);
  }

  /** A worker died: its scans are over, and what it kept is gone. */
  peerLost(thread: number): void {
    this.cursors.peerLost(thread);
    this.usage.peerLost(thread);
  }

  storeMessage(request: number, record: Uint8Array): void {
    const message = messageInRecord(record);
    const limits = this.#limitsOf(message.tenantId);
    const status = this.store.store(message, limits, this.#nowMs, record);
    if (request !== 0) writeStored(this.#answer, request, status);
  }

  scanOpen(scan: ScanRequest): void {
    const filter = encoder.encode(scan.filter);
    this.cursors.open(this.#source, scan.scanId, scan.tenantId, filter);
    this.scanNext(scan.scanId, scan.maxMessages, scan.form);
  }

  scanNext(scanId: number, maxMessages: number, form: RetainForm): void {
    const answer = this.#answer;
    const nowMs = this.#nowMs;
    const place = beginBatch(answer, scanId, form);
    let count = 0;
    let payloadBytes = 0;
    const takeMessage = (entry: RetainedEntry) => {
      answer.raw(entry.record);
      count += 1;
    };
    const takePacket = ({ message }: RetainedEntry) => {
      writeRetainedPacket(answer, message, form === RetainForm.PACKETS_V5, nowMs);
      count += 1;
      payloadBytes += message.payload.length;
    };
    const reader = { thread: this.#source, scanId };
    const take = form === RetainForm.MESSAGES ? takeMessage : takePacket;
    const isEnd = this.cursors.next(reader, maxMessages, nowMs, take);
    finishBatch(answer, place, form, { count, payloadBytes, isEnd });
  }

  scanCancel(scanId: number): void {
    this.cursors.close(this.#source, scanId);
  }

  learnUsage(tenantId: string, usage: Usage): void {
    this.usage.learn(this.#source, tenantId, usage);
  }
}
