/**
 * The retained messages of this worker's ranges: gives the ranges their state machines, serves
 * scans, proposes that what has expired be removed, and tells the other workers how much it holds
 * of capped tenants.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import { messageContentBytes, messageInRecord } from "../../shared/mqtt/message-codec.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { KeyValueReader } from "../../shared/range/key-value.ts";
import {
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../shared/range/range-descriptor.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import {
  beginBatch,
  finishBatch,
  type RetainCommandHandler,
  readRetainCommand,
  type ScanRequest,
  writeStored,
  writeUsage,
} from "../../shared/retain/retain-command.ts";
import { RetainCursors } from "../../shared/retain/retain-cursors.ts";
import { retainRangeKey } from "../../shared/retain/retain-key.ts";
import { writeRetainExpire } from "../../shared/retain/retain-log-command.ts";
import { type RetainOutput, RetainRange } from "../../shared/retain/retain-range.ts";
import {
  RetainForm,
  type RetainLimits,
  type RetainStatus,
} from "../../shared/retain/retain-types.ts";
import { isCapped, type RetainUsage, type Usage } from "../../shared/retain/retain-usage.ts";
import { writeRetainedPacket } from "../../shared/retain/retained-packet.ts";
import {
  type ExpiringTopic,
  expiresAtMs,
  type RetainedEntry,
  RetainedTopics,
} from "../../shared/retain/retained-topics.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { RetainedTrie } from "../../shared/topic/retained-trie.ts";
import type { RangeClient } from "../ranges/range-client-api.ts";
import type { RangeHost, RangeService } from "../ranges/range-host-api.ts";
import { RecordBatches } from "../record-batches.ts";
import { WaitingScans } from "./waiting-scans.ts";

/** Expired messages that one call takes out, at about a microsecond each. */
const SWEEP_COUNT = 10_000;
/** A removal that could not be proposed is tried again then. */
const RETRY_MS = 10_000;
/**
 * Stored messages that stay in memory, bytes per worker: enough for the topics that everybody
 * subscribes to, little beside what connections take.
 */
const HOT_BYTES = 64 * 1024 * 1024;

const encoder = new TextEncoder();

/** The part of InboxHost that this service needs too. */
export interface RetainHost {
  settings(tenantId: string): RetainLimits;
  nowMs(): number;
}

export interface RetainServiceOptions {
  readonly endpoint: RingEndpoint;
  readonly counters: Float64Array;
  readonly host: RetainHost;
  readonly trie: RetainedTrie<RetainedEntry>;
  readonly ranges: RangeHost;
  readonly client: RangeClient;
  /** Shared with this worker's RingRetainClient. */
  readonly elsewhere: RetainUsage;
}

export class RetainService implements RangeService, RetainOutput, RetainCommandHandler {
  readonly #options: RetainServiceOptions;
  readonly #topics: RetainedTopics;
  readonly #cursors: RetainCursors;
  readonly #replies: RecordBatches;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  readonly #waiting: WaitingScans;
  readonly #machines = new Set<RetainRange>();
  /** Of the record being handled. */
  #source = 0;
  #mustTellAll = false;

  constructor(options: RetainServiceOptions) {
    this.#options = options;
    const { endpoint, counters, trie } = options;
    this.#topics = new RetainedTopics({
      trie,
      counters,
      hotBytes: HOT_BYTES,
      readCold: (...topic) => this.#readCold(...topic),
    });
    this.#cursors = new RetainCursors(this.#topics);
    this.#replies = new RecordBatches(endpoint, RecordType.RETAIN_REPLY);
    this.#waiting = new WaitingScans(options.ranges);
    options.ranges.register(ServiceId.RETAIN, this);
    // Who has forgotten a range that was not in a directory must hear of it again.
    options.client.onDirectory(() => {
      this.#mustTellAll = true;
    });
    endpoint.setHandler(RecordType.RETAIN_COMMAND, (bytes, offset, length, source) => {
      this.#reader.reset(bytes, offset, length);
      this.#source = source;
      readRetainCommand(this.#reader, this);
      this.#reader.release();
    });
  }

  open(range: RangeDescriptor, reader: KeyValueReader): RetainRange {
    const machine = new RetainRange(range, { topics: this.#topics, reader, output: this });
    machine.load();
    this.#machines.add(machine);
    return machine;
  }

  /** Ranges were cut, joined, or moved: whoever keeps count of them must hear of it. */
  rangesChanged(): void {
    this.#machines.clear();
    for (const { machine } of this.#options.ranges.ownedBy(ServiceId.RETAIN)) {
      this.#machines.add(machine as RetainRange);
    }
    this.#mustTellAll = true;
  }

  /** Wall clock; Infinity when nothing is due. */
  get nextDeadlineMs(): number {
    return Math.min(this.#topics.nextDeadlineMs, this.#cursors.nextDeadlineMs);
  }

  /** Retained messages on this worker. */
  get size(): number {
    return this.#topics.size;
  }

  /** Scans under way on this worker. */
  get cursorCount(): number {
    return this.#cursors.size;
  }

  /** Proposes that what has expired be removed [MQTT-3.3.2-5], so much at a time. */
  handleTimeout(nowMs: number): void {
    this.#cursors.handleTimeout(nowMs);
    for (let left = SWEEP_COUNT; left > 0; left--) {
      const expiring = this.#topics.pollExpired(nowMs);
      if (expiring === null) return;
      this.#handleExpired(expiring, nowMs);
    }
  }

  /**
   * End of a duty cycle: answers, and tells the other workers what has changed for capped tenants.
   */
  flush(): void {
    this.#waiting.drain((thread, scan) => this.#open(thread, scan));
    this.#replies.flush();
    const mustTellAll = this.#mustTellAll;
    this.#mustTellAll = false;
    for (const { descriptor, machine } of this.#options.ranges.ownedBy(ServiceId.RETAIN)) {
      const range = machine as RetainRange;
      const tell = (tenantId: string) => this.#tellUsage(descriptor.id, range, tenantId);
      range.drainChangedTenants(tell);
      if (mustTellAll) for (const tenantId of range.totals.tenants()) tell(tenantId);
    }
  }

  /** Tenants that this worker holds messages of. */
  *tenants(): Iterable<string> {
    for (const machine of this.#machines) yield* machine.totals.tenants();
  }

  /** What this worker's ranges hold of a tenant, `except` left out. */
  usage(tenantId: string, except: RangeId = NO_RANGE): Usage {
    const total = { topics: 0, bytes: 0 };
    for (const { descriptor, machine } of this.#options.ranges.ownedBy(ServiceId.RETAIN)) {
      if (descriptor.id === except) continue;
      const usage = (machine as RetainRange).totals.of(tenantId);
      total.topics += usage.topics;
      total.bytes += usage.bytes;
    }
    return total;
  }

  /**
   * Settings were reloaded: a tenant may have got a cap that the others must know its usage for.
   */
  settingsChanged(): void {
    this.#mustTellAll = true;
  }

  /** `thread` died, and its rings are replaced. */
  peerLost(thread: number): void {
    this.#waiting.peerLost(thread);
    this.#cursors.peerLost(thread);
    this.#replies.drop(thread);
    // Its successor knows nobody.
    this.#mustTellAll = true;
  }

  stored(thread: number, request: number, status: RetainStatus): void {
    writeStored(this.#replies.writer(thread), request, status);
    if (this.#replies.isFull(thread)) this.#replies.flushTarget(thread);
  }

  retainRefused(): void {
    this.#options.counters[Counter.DROPPED_RETAIN_QUOTA]! += 1;
  }

  /**
   * A statistic of the broker itself: kept in memory only, and no part of what the tenant retains.
   */
  storeOwn(record: Uint8Array): void {
    const message = messageInRecord(record);
    const { tenantId, topic } = message;
    const previous = this.#topics.read(tenantId, topic);
    const previousBytes = previous === null ? 0 : messageContentBytes(previous);
    if (message.payload.length > 0) this.#topics.put(record, 0, previousBytes);
    else this.#topics.remove(tenantId, topic, previousBytes);
  }

  scanOpen(scan: ScanRequest): void {
    const thread = this.#source;
    if (!this.#waiting.hold(thread, scan)) this.#open(thread, scan);
  }

  scanNext(scanId: number, maxMessages: number, form: RetainForm): void {
    this.#answerScan(this.#source, scanId, maxMessages, form);
  }

  #open(thread: number, { scanId, tenantId, filter, maxMessages, form }: ScanRequest): void {
    this.#cursors.open(thread, scanId, tenantId, encoder.encode(filter));
    this.#answerScan(thread, scanId, maxMessages, form);
  }

  #answerScan(thread: number, scanId: number, maxMessages: number, form: RetainForm): void {
    const answer = this.#replies.writer(thread);
    const nowMs = this.#options.host.nowMs();
    const place = beginBatch(answer, scanId, form);
    let count = 0;
    let payloadBytes = 0;
    const takeMessage = ({ record }: RetainedEntry) => {
      answer.raw(record);
      count += 1;
    };
    const takePacket = ({ message }: RetainedEntry) => {
      writeRetainedPacket(answer, message!, form === RetainForm.PACKETS_V5, nowMs);
      count += 1;
      payloadBytes += message!.payload.length;
    };
    const take = form === RetainForm.MESSAGES ? takeMessage : takePacket;
    const isEnd = this.#cursors.next({ thread, scanId }, maxMessages, nowMs, take);
    finishBatch(answer, place, form, { count, payloadBytes, isEnd });
    if (this.#replies.isFull(thread)) this.#replies.flushTarget(thread);
  }

  scanCancel(scanId: number): void {
    this.#waiting.cancel(this.#source, scanId);
    this.#cursors.close(this.#source, scanId);
  }

  learnUsage(range: RangeId, tenantId: string, usage: Usage): void {
    this.#options.elsewhere.learn(range, tenantId, usage);
  }

  #handleExpired(expiring: ExpiringTopic, nowMs: number): void {
    const { tenantId, topic } = expiring;
    const message = this.#topics.read(tenantId, topic);
    // Replaced by one that lives longer.
    if (message === null || expiresAtMs(message) !== expiring.expiresAtMs) return;
    if (message.publisherId === "") {
      this.#topics.remove(tenantId, topic, messageContentBytes(message));
      return;
    }
    const key = retainRangeKey(tenantId, topic);
    const writer = this.#options.client.writer(ServiceId.RETAIN, key);
    writeRetainExpire(writer, tenantId, topic, expiring.expiresAtMs);
    // Until the command is applied it is not handed out; should the command get lost, again.
    this.#topics.expectAgain(expiring, nowMs + RETRY_MS);
  }

  #tellUsage(range: RangeId, machine: RetainRange, tenantId: string): void {
    const { endpoint, host } = this.#options;
    if (!isCapped(host.settings(tenantId))) return;
    for (let thread = 1; thread < endpoint.threadCount; thread++) {
      if (thread === endpoint.threadIndex) continue;
      writeUsage(this.#writer, range, tenantId, machine.totals.of(tenantId));
      const { bytes, size } = this.#writer;
      endpoint.enqueue(thread, RecordType.RETAIN_COMMAND, bytes, 0, size);
      this.#writer.clear();
    }
  }

  #readCold(tenantId: string, topic: Uint8Array, keyNumber: number): Uint8Array | null {
    for (const machine of this.#machines) {
      if (machine.holds(tenantId, topic)) return machine.readCold(tenantId, topic, keyNumber);
    }
    return null;
  }
}
