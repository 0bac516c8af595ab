/**
 * The state machine behind one range of retained messages. It decides and stores; the topics of all
 * ranges of the worker stand together in one RetainedTopics, so that a scan walks one trie and a
 * split moves nothing.
 *
 * Flow: publish (retain), behind the log. Thread: the worker that stores the range. Scope: one per
 * range.
 */

import { assert } from "../base/assert.ts";
import { RecordReader } from "../bytes/record-reader.ts";
import { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { messageContentBytes, messageInRecord } from "../mqtt/message-codec.ts";
import type { PublishOrigin } from "../mqtt/publish-origin.ts";
import { behind, nameOf } from "../range/key-bytes.ts";
import type { KeyValueReader, KeyValueWriter } from "../range/key-value.ts";
import { compareKeys, type RangeDescriptor } from "../range/range-descriptor.ts";
import type { ApplyContext, RangeStateMachine } from "../range/range-state-machine.ts";
import { SplitTally, TallyPlace } from "../range/split-tally.ts";
import { middleHash } from "../range/stable-hash.ts";
import type { Steps } from "../range/steps.ts";
import { TakenPublishes } from "../repeats/taken-publishes.ts";
import {
  needsNumber,
  publisherOfRepeatKey,
  readRetainKey,
  repeatKey,
  repeatKeys,
  retainKey,
  retainRangeKey,
} from "./retain-key.ts";
import {
  allows,
  type RetainAllowance,
  type RetainLogHandler,
  readRetainLog,
} from "./retain-log-command.ts";
import { RetainTotals, type Usage } from "./retain-totals.ts";
import { RetainStatus } from "./retain-types.ts";
import { expiresAtMs, type RetainedEntry, type RetainedTopics } from "./retained-topics.ts";

/** A page of the load: 4,096 records of usual size are a megabyte. */
const PAGE = { entries: 4096, bytes: 1024 * 1024 };

/** Where the answers of a range go. */
export interface RetainOutput {
  /** A store that somebody of this life of the process waits for. */
  stored(thread: number, request: number, status: RetainStatus): void;
  /** A message of this life of the process is not retained: a cap of its tenant refuses it. */
  retainRefused(): void;
}

export interface RetainRangeOptions {
  readonly topics: RetainedTopics;
  readonly reader: KeyValueReader;
  readonly output: RetainOutput;
}

/** A topic that is not in the store as it is in memory; null: it is to be deleted. */
interface Change {
  readonly key: Uint8Array;
  readonly entry: RetainedEntry | null;
}

type Changes = Map<string, Change>;

/** What lies where the range is to be cut, or above. */
interface UpperPart {
  readonly tally: SplitTally;
  readonly totals: RetainTotals;
}

export class RetainRange implements RangeStateMachine, RetainLogHandler {
  readonly totals = new RetainTotals();
  readonly #options: RetainRangeOptions;
  readonly #topics: RetainedTopics;
  #start: Uint8Array;
  #end: Uint8Array | null;
  #changes: Changes = new Map();
  /** Collected and not yet durable. */
  #collecting: Changes = new Map();
  #lastNumber = 0;
  /** Not null: counted, or being counted, for a cut to come. */
  #upper: UpperPart | null = null;
  /** Tenants of which the range holds more or less than when last asked. */
  readonly #changedTenants = new Set<string>();
  #context: ApplyContext | null = null;
  readonly #taken = new TakenPublishes();
  readonly #scratch = new RecordWriter();

  constructor(bounds: Pick<RangeDescriptor, "start" | "end">, options: RetainRangeOptions) {
    this.#options = options;
    this.#topics = options.topics;
    this.#start = bounds.start;
    this.#end = bounds.end;
  }

  /** Reads what the store has. If that throws, nothing of it is left in the worker's topics. */
  load(): void {
    let last: Uint8Array | null = null;
    try {
      this.#eachStored(this.#start, this.#end, (key, value) => {
        this.#loadOne(key, value);
        last = key;
      });
      this.#loadRepeats();
    } catch (error) {
      if (last !== null) this.#unload(last);
      throw error;
    }
  }

  #loadRepeats(): void {
    const records = new RecordReader();
    this.#eachStored(...repeatKeys(this.#start), (key, value) => {
      records.reset(value, 0, value.length);
      this.#taken.load(publisherOfRepeatKey(key), records);
      records.release();
    });
    this.#taken.sortLoaded();
  }

  /** Takes out again what was loaded, `last` being the last of it. */
  #unload(last: Uint8Array): void {
    this.#eachStored(this.#start, behind(last), (_key, value) => {
      const message = messageInRecord(value);
      this.#topics.remove(message.tenantId, message.topic, messageContentBytes(message));
    });
  }

  apply(commands: RecordReader, context: ApplyContext): void {
    this.#context = context;
    readRetainLog(commands, this);
    this.#context = null;
  }

  /**
   * Stores or replaces the topic's message [MQTT-3.3.1-5]; an empty payload clears it
   * [MQTT-3.3.1-6].
   */
  storeMessage(
    request: number,
    allowance: RetainAllowance,
    record: Uint8Array,
    origin: PublishOrigin | null,
  ): void {
    const context = this.#context!;
    this.#taken.begin(origin, context.boot);
    let status: RetainStatus = RetainStatus.OK;
    // What has come since its first attempt stays [MQTT-4.3.3-10].
    if (!this.#taken.hasTopic()) {
      status = this.#store(record, allowance, context.nowMs);
      if (status === RetainStatus.OK) this.#taken.noteTopic();
    }
    if (status === RetainStatus.QUOTA && context.isOwnBoot) this.#options.output.retainRefused();
    if (request !== 0 && context.isOwnBoot) {
      this.#options.output.stored(context.thread, request, status);
    }
  }

  /** [MQTT-3.3.2-5] */
  expire(tenantId: string, topic: Uint8Array, atMs: number): void {
    const message = this.#topics.read(tenantId, topic);
    if (message !== null && expiresAtMs(message) === atMs) this.#remove(message);
  }

  collect(writer: KeyValueWriter): void {
    assert(this.#collecting.size === 0, "one collection at a time");
    this.#collecting = this.#changes;
    this.#changes = new Map();
    for (const { key, entry } of this.#collecting.values()) {
      if (entry === null) writer.delete(key);
      else writer.put(key, entry.record);
    }
    const keyOf = (publisher: number) => repeatKey(this.#start, publisher);
    this.#taken.collect(writer, this.#scratch, keyOf);
  }

  collected(): void {
    const stored = this.#collecting;
    this.#collecting = new Map();
    for (const { entry } of stored.values()) {
      if (entry !== null) this.#topics.noteStored(entry);
    }
  }

  get isDirty(): boolean {
    return this.#changes.size > 0 || this.#taken.isDirty;
  }

  goLive(): void {}

  *planSplit(at: Uint8Array | null): Steps<Uint8Array | null> {
    const cut = at ?? middleHash(this.#start, this.#end);
    if (cut === null) return null;
    this.#upper = this.#beginUpper(cut);
    yield* this.#readUpper(this.#upper);
    return cut;
  }

  *splitOff(at: Uint8Array, reader: KeyValueReader): Steps<RetainRange> {
    const isPlanned = this.#upper !== null && compareKeys(this.#upper.tally.at, at) === 0;
    this.#upper = isPlanned ? this.#upper : this.#beginUpper(at);
    const { totals } = this.#upper!;
    yield* this.#readUpper(this.#upper!);
    const right = new RetainRange({ start: at, end: this.#end }, { ...this.#options, reader });
    yield* this.#taken.copyTo(right.#taken);
    this.#upper = null;
    right.totals.addAll(totals);
    this.totals.removeAll(totals);
    this.#end = at;
    for (const [name, change] of this.#changes) {
      if (compareKeys(change.key, at) < 0) continue;
      this.#changes.delete(name);
      right.#changes.set(name, change);
    }
    right.#lastNumber = this.#lastNumber;
    for (const tenantId of right.totals.tenants()) this.#changedTenants.add(tenantId);
    for (const tenantId of right.totals.tenants()) right.#changedTenants.add(tenantId);
    return right;
  }

  // biome-ignore lint/correctness/useYield: nothing of it takes long.
  *absorb(right: RangeStateMachine): Steps<void> {
    assert(right instanceof RetainRange, "a neighbour of the same service");
    this.#upper = null;
    for (const [name, change] of right.#changes) this.#changes.set(name, change);
    for (const publisher of this.#taken.absorb(right.#taken)) {
      this.#note(repeatKey(right.#start, publisher), null);
    }
    this.totals.addAll(right.totals);
    for (const tenantId of right.totals.tenants()) this.#changedTenants.add(tenantId);
    this.#lastNumber = Math.max(this.#lastNumber, right.#lastNumber);
    this.#end = right.#end;
  }

  get keyCount(): number {
    return this.totals.topics;
  }

  /** Topics, payloads and properties. */
  get stateBytes(): number {
    return this.totals.bytes;
  }

  close(): void {
    this.#eachTopic((message) => {
      this.#topics.remove(message.tenantId, message.topic, messageContentBytes(message));
    });
  }

  /** Hands over each tenant of which the range holds more or less than at the last call. */
  drainChangedTenants(take: (tenantId: string) => void): void {
    if (this.#changedTenants.size === 0) return;
    for (const tenantId of this.#changedTenants) take(tenantId);
    this.#changedTenants.clear();
  }

  /** True for the topics of this range. */
  holds(tenantId: string, topic: Uint8Array): boolean {
    const key = retainRangeKey(tenantId, topic);
    return (
      compareKeys(key, this.#start) >= 0 && (this.#end === null || compareKeys(key, this.#end) < 0)
    );
  }

  /** The record of a topic that is cold, under the number that it was put with. */
  readCold(tenantId: string, topic: Uint8Array, keyNumber: number): Uint8Array | null {
    return this.#options.reader.get(retainKey(tenantId, topic, keyNumber));
  }

  #store(record: Uint8Array, allowance: RetainAllowance, nowMs: number): RetainStatus {
    const message = messageInRecord(record);
    const { tenantId, topic } = message;
    const previous = this.#topics.read(tenantId, topic);
    // [MQTT-3.3.1-7] An expired message replaces as well, but there is nothing to keep of it.
    if (message.payload.length === 0 || message.isExpired(nowMs)) {
      if (previous !== null) this.#remove(previous);
      return RetainStatus.OK;
    }
    const topics = previous === null ? 1 : 0;
    const before = previous === null ? 0 : messageContentBytes(previous);
    const bytes = messageContentBytes(message) - before;
    if (!allows(allowance, { topics, bytes })) return RetainStatus.QUOTA;
    const number = this.#numberOf(tenantId, topic);
    const entry = this.#topics.put(record, number, before);
    const key = retainKey(tenantId, topic, number);
    this.#add(tenantId, topics, bytes);
    this.#recount(key, message, { topics, bytes });
    this.#note(key, entry);
    return RetainStatus.OK;
  }

  #remove(message: Message): void {
    const { tenantId, topic } = message;
    const key = retainKey(tenantId, topic, this.#numberOf(tenantId, topic));
    const bytes = messageContentBytes(message);
    this.#topics.remove(tenantId, topic, bytes);
    this.#add(tenantId, -1, -bytes);
    this.#recount(key, message, { topics: -1, bytes: -bytes });
    this.#note(key, null);
  }

  /** 0 for topics that fit into a key; else the one it has, or a new one. */
  #numberOf(tenantId: string, topic: Uint8Array): number {
    if (!needsNumber(topic)) return 0;
    const entry = this.#topics.find(tenantId, topic);
    if (entry !== null) return entry.keyNumber;
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  #note(key: Uint8Array, entry: RetainedEntry | null): void {
    this.#changes.set(nameOf(key), { key, entry });
  }

  #add(tenantId: string, topics: number, bytes: number): void {
    this.totals.add(tenantId, topics, bytes);
    this.#changedTenants.add(tenantId);
  }

  #loadOne(key: Uint8Array, value: Uint8Array): void {
    if (publisherOfRepeatKey(key) !== 0) return;
    const { tenantId, topic, number } = parse(key);
    const message = messageInRecord(value);
    const bytes = messageContentBytes(message);
    this.#add(tenantId, 1, bytes);
    this.#lastNumber = Math.max(this.#lastNumber, number);
    const cold = { contentBytes: bytes, expiresAt: expiresAtMs(message), keyNumber: number };
    this.#topics.putCold(tenantId, topic ?? message.topic, cold);
  }

  /** `message` has come, or was there and goes: the change is what is more, or less, for it. */
  #recount(key: Uint8Array, message: Message, change: Usage): void {
    if (this.#upper === null) return;
    const { tally, totals } = this.#upper;
    const { tenantId } = message;
    const place = tally.place(key);
    if (place === TallyPlace.COUNTED) totals.add(tenantId, change.topics, change.bytes);
    else if (place === TallyPlace.NEW && change.topics >= 0) {
      totals.add(tenantId, 1, messageContentBytes(message));
    }
  }

  /** Counts what the store does not have as it is now; the rest is for `#readUpper`. */
  #beginUpper(at: Uint8Array): UpperPart {
    const upper = { tally: new SplitTally(at), totals: new RetainTotals() };
    for (const { key, entry } of new Map([...this.#collecting, ...this.#changes]).values()) {
      if (upper.tally.place(key) !== TallyPlace.OUTSIDE && entry !== null) {
        const message = entry.message!;
        upper.totals.add(message.tenantId, 1, messageContentBytes(message));
      }
    }
    return upper;
  }

  #readUpper({ tally, totals }: UpperPart): Steps<void> {
    return tally.read(this.#options.reader, this.#end, (key, value) => {
      if (publisherOfRepeatKey(key) !== 0) return;
      const message = messageInRecord(value);
      totals.add(message.tenantId, 1, messageContentBytes(message));
    });
  }

  /** Every message of the range as it is now. */
  #eachTopic(take: (message: Message, key: Uint8Array) => void): void {
    const changed = new Map([...this.#collecting, ...this.#changes]);
    this.#eachStored(this.#start, this.#end, (key, value) => {
      if (publisherOfRepeatKey(key) !== 0 || changed.has(nameOf(key))) return;
      take(messageInRecord(value), key);
    });
    for (const { key, entry } of changed.values()) {
      if (entry !== null) take(entry.message!, key);
    }
  }

  #eachStored(
    start: Uint8Array,
    end: Uint8Array | null,
    take: (key: Uint8Array, value: Uint8Array) => void,
  ): void {
    let from = start;
    for (;;) {
      const page = this.#options.reader.scan(from, end, PAGE.entries, PAGE.bytes);
      for (const { key, value } of page) take(key, value);
      const last = page[page.length - 1];
      if (last === undefined) return;
      from = behind(last.key);
    }
  }
}

function parse(key: Uint8Array) {
  const parsed = readRetainKey(key);
  assert(parsed !== null, "the range holds keys of this service only");
  return parsed;
}
