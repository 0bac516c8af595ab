/**
 * The state machine behind one range of stored routes: who of the stored sessions wants which
 * filter. It decides what is a route; every worker's match index learns it from the output.
 *
 * A route belongs to one incarnation of a session. Adding replaces an earlier incarnation's;
 * removing takes away that incarnation's or an earlier one's, never a later one's: so a clean-up
 * that comes late does no harm.
 *
 * The values stay in the store: memory holds what has changed, and routes whose filter does not fit
 * into a key. Flow: subscribe of a stored session, behind the log. Thread: the worker that stores
 * the range. Scope: one per range.
 */

import { assert } from "../base/assert.ts";
import { RecordReader } from "../bytes/record-reader.ts";
import { RecordWriter } from "../bytes/record-writer.ts";
import {
  readSubscriptionOptions,
  type SubscriptionOptions,
  writeSubscriptionOptions,
} from "../mqtt/subscription-options.ts";
import { behind, nameOf } from "../range/key-bytes.ts";
import type { KeyValueReader, KeyValueWriter } from "../range/key-value.ts";
import { compareKeys, type RangeDescriptor } from "../range/range-descriptor.ts";
import type { ApplyContext, RangeStateMachine } from "../range/range-state-machine.ts";
import { SplitTally, TallyPlace } from "../range/split-tally.ts";
import type { Steps } from "../range/steps.ts";
import { distKey, distRangeKey, longDistKey, numberOfLongKey } from "./dist-key.ts";
import {
  type DistLogHandler,
  readDistLog,
  readRoute,
  type StoredRoute,
  writeRoute,
} from "./dist-log-command.ts";

/** A page of a walk: a megabyte of records of usual size. */
const PAGE = { entries: 4096, bytes: 1024 * 1024 };
/** One of a walk that gives way to others in between. */
const STEP_PAGE = { entries: 256, bytes: 64 * 1024 };
/** A stored route and its node in the match index, about. */
const ROUTE_BYTES = 300;

/** What a range of routes tells its worker. */
export interface DistOutput {
  /** Every worker must match it from now on, then `answer`. */
  routeAdded(route: StoredRoute, options: SubscriptionOptions, answer: DistAnswer | null): void;
  /** No worker may match it from now on, then `answer`. */
  routeRemoved(route: StoredRoute, answer: DistAnswer | null): void;
  /** There is nothing to do: answer. */
  unchanged(answer: DistAnswer): void;
}

/** Who waits, in this life of the process. */
export interface DistAnswer {
  /** The life of the worker that waits: its successor must not get the answer. */
  readonly boot: number;
  readonly thread: number;
  readonly request: number;
}

/** A route as stored. */
export interface RouteRecord {
  readonly route: StoredRoute;
  readonly options: SubscriptionOptions;
}

/** What is not in the store as it should be; null: to be deleted. */
interface Change {
  readonly key: Uint8Array;
  readonly record: RouteRecord | null;
}

/** What lies where the range is to be cut, or above. */
interface UpperPart {
  readonly tally: SplitTally;
  count: number;
}

export interface DistRangeOptions {
  readonly reader: KeyValueReader;
  readonly output: DistOutput;
}

export class DistRange implements RangeStateMachine, DistLogHandler {
  readonly #options: DistRangeOptions;
  #start: Uint8Array;
  #end: Uint8Array | null;
  #changes = new Map<string, Change>();
  /** Collected and not yet durable. */
  #collecting = new Map<string, Change>();
  /** Keys of routes that are too long to be keys, by name. */
  readonly #long = new Map<string, Uint8Array>();
  #lastNumber = 0;
  #count = 0;
  /** Not null: counted, or being counted, for a cut to come. */
  #upper: UpperPart | null = null;
  #context: ApplyContext | null = null;
  readonly #writer = new RecordWriter();

  constructor(bounds: Pick<RangeDescriptor, "start" | "end">, options: DistRangeOptions) {
    this.#options = options;
    this.#start = bounds.start;
    this.#end = bounds.end;
  }

  /** Reads what the store has, and tells every route of it. */
  load(): void {
    this.#eachStored((key, record) => {
      this.#count += 1;
      this.#learnLong(key, record.route);
      this.#options.output.routeAdded(record.route, record.options, null);
    });
  }

  apply(commands: RecordReader, context: ApplyContext): void {
    this.#context = context;
    readDistLog(commands, this);
    this.#context = null;
  }

  add(request: number, route: StoredRoute, options: SubscriptionOptions): void {
    const key = this.#keyOf(route) ?? this.#newLongKey(route);
    const previous = this.#read(key);
    const answer = this.#answer(request);
    if (previous !== null && previous.route.incarnation > route.incarnation) {
      if (answer !== null) this.#options.output.unchanged(answer);
      return;
    }
    if (previous === null) this.#count += 1;
    this.#recount(key, previous === null ? 1 : 0);
    this.#changes.set(nameOf(key), { key, record: { route, options } });
    this.#options.output.routeAdded(route, options, answer);
  }

  remove(request: number, route: StoredRoute): void {
    const key = this.#keyOf(route);
    const previous = key === null ? null : this.#read(key);
    const answer = this.#answer(request);
    if (key === null || previous === null || previous.route.incarnation > route.incarnation) {
      if (answer !== null) this.#options.output.unchanged(answer);
      return;
    }
    this.#count -= 1;
    this.#recount(key, -1);
    this.#changes.set(nameOf(key), { key, record: null });
    this.#long.delete(longName(route));
    this.#options.output.routeRemoved(previous.route, answer);
  }

  collect(writer: KeyValueWriter): void {
    assert(this.#collecting.size === 0, "one collection at a time");
    this.#collecting = this.#changes;
    this.#changes = new Map();
    for (const { key, record } of this.#collecting.values()) {
      if (record === null) {
        writer.delete(key);
        continue;
      }
      this.#writer.clear();
      writeRoute(this.#writer, record.route);
      writeSubscriptionOptions(this.#writer, record.options);
      writer.put(key, this.#writer.bytes.subarray(0, this.#writer.size));
    }
  }

  collected(): void {
    this.#collecting = new Map();
  }

  get isDirty(): boolean {
    return this.#changes.size > 0;
  }

  goLive(): void {}

  *planSplit(at: Uint8Array | null): Steps<Uint8Array | null> {
    const cut = at ?? (yield* this.#findMiddle());
    if (cut === null) return null;
    this.#upper = this.#beginUpper(cut);
    yield* this.#readUpper(this.#upper);
    return cut;
  }

  *splitOff(at: Uint8Array, reader: KeyValueReader): Steps<DistRange> {
    const isPlanned = this.#upper !== null && compareKeys(this.#upper.tally.at, at) === 0;
    const upper = isPlanned ? this.#upper! : this.#beginUpper(at);
    yield* this.#readUpper(upper);
    this.#upper = null;
    const right = new DistRange({ start: at, end: this.#end }, { ...this.#options, reader });
    right.#count = upper.count;
    this.#count -= right.#count;
    this.#end = at;
    for (const [name, change] of this.#changes) {
      if (compareKeys(change.key, at) < 0) continue;
      this.#changes.delete(name);
      right.#changes.set(name, change);
    }
    for (const [name, key] of this.#long) {
      if (compareKeys(key, at) < 0) continue;
      this.#long.delete(name);
      right.#long.set(name, key);
    }
    right.#lastNumber = this.#lastNumber;
    return right;
  }

  // biome-ignore lint/correctness/useYield: nothing of it takes long.
  *absorb(right: RangeStateMachine): Steps<void> {
    assert(right instanceof DistRange, "a neighbour of the same service");
    this.#upper = null;
    for (const [name, change] of right.#changes) this.#changes.set(name, change);
    for (const [name, key] of right.#long) this.#long.set(name, key);
    this.#lastNumber = Math.max(this.#lastNumber, right.#lastNumber);
    this.#count += right.#count;
    this.#end = right.#end;
  }

  get keyCount(): number {
    return this.#count;
  }

  get stateBytes(): number {
    return this.#count * ROUTE_BYTES;
  }

  close(): void {}

  /** Every route, for a worker that has just started. O(routes). */
  eachRoute(take: (record: RouteRecord) => void): void {
    this.#eachNow((_key, record) => take(record));
  }

  /** True for the routes of this range. */
  holds(route: StoredRoute): boolean {
    const key = distRangeKey(route);
    return (
      compareKeys(key, this.#start) >= 0 && (this.#end === null || compareKeys(key, this.#end) < 0)
    );
  }

  #answer(request: number): DistAnswer | null {
    const { isOwnBoot, boot, thread } = this.#context!;
    return request === 0 || !isOwnBoot ? null : { boot, thread, request };
  }

  #keyOf(route: StoredRoute): Uint8Array | null {
    return distKey(route) ?? this.#long.get(longName(route)) ?? null;
  }

  #newLongKey(route: StoredRoute): Uint8Array {
    this.#lastNumber += 1;
    const key = longDistKey(route.tenantId, this.#lastNumber);
    this.#long.set(longName(route), key);
    return key;
  }

  #learnLong(key: Uint8Array, route: StoredRoute): void {
    const number = numberOfLongKey(key);
    if (number === 0) return;
    this.#lastNumber = Math.max(this.#lastNumber, number);
    this.#long.set(longName(route), key);
  }

  /** The key gets one route more or less, or another in place of the one it has. */
  #recount(key: Uint8Array, change: 1 | 0 | -1): void {
    if (this.#upper === null) return;
    const place = this.#upper.tally.place(key);
    if (place === TallyPlace.COUNTED) this.#upper.count += change;
    else if (place === TallyPlace.NEW && change >= 0) this.#upper.count += 1;
  }

  /** Counts what the store does not have as it is now; the rest is for `#readUpper`. */
  #beginUpper(at: Uint8Array): UpperPart {
    const upper = { tally: new SplitTally(at), count: 0 };
    for (const { key, record } of new Map([...this.#collecting, ...this.#changes]).values()) {
      if (upper.tally.place(key) !== TallyPlace.OUTSIDE && record !== null) upper.count += 1;
    }
    return upper;
  }

  #readUpper(upper: UpperPart): Steps<void> {
    return upper.tally.read(this.#options.reader, this.#end, () => {
      upper.count += 1;
    });
  }

  /**
   * Of the stored routes the one in the middle, about: commands go on meanwhile. Null: the range
   * cannot be cut there. Of routes that no collection has come to yet nothing is known here.
   */
  *#findMiddle(): Steps<Uint8Array | null> {
    const { reader } = this.#options;
    let left = Math.floor(this.#count / 2);
    let from = this.#start;
    let middle: Uint8Array | null = null;
    while (left >= 0) {
      const page = reader.scan(from, this.#end, STEP_PAGE.entries, STEP_PAGE.bytes);
      const last = page.at(-1);
      if (last === undefined) break;
      middle = (page[left] ?? last).value;
      left -= page.length;
      from = behind(last.key);
      yield;
    }
    if (middle === null) return null;
    // The long routes of a tenant stay together.
    const cut = distRangeKey(readRecord(middle).route);
    return compareKeys(cut, this.#start) <= 0 ? null : cut;
  }

  #read(key: Uint8Array): RouteRecord | null {
    const name = nameOf(key);
    const change = this.#changes.get(name) ?? this.#collecting.get(name);
    if (change !== undefined) return change.record;
    const value = this.#options.reader.get(key);
    return value === null ? null : readRecord(value);
  }

  /** Every route as it is now; stored ones in key order, then changed ones. */
  #eachNow(take: (key: Uint8Array, record: RouteRecord) => void): void {
    const changed = new Map([...this.#collecting, ...this.#changes]);
    this.#eachStored((key, record) => {
      if (!changed.has(nameOf(key))) take(key, record);
    });
    for (const { key, record } of changed.values()) {
      if (record !== null) take(key, record);
    }
  }

  #eachStored(take: (key: Uint8Array, record: RouteRecord) => void): void {
    let from = this.#start;
    for (;;) {
      const page = this.#options.reader.scan(from, this.#end, PAGE.entries, PAGE.bytes);
      for (const { key, value } of page) take(key, readRecord(value));
      const last = page[page.length - 1];
      if (last === undefined) return;
      from = behind(last.key);
    }
  }
}

const reader = new RecordReader();

function readRecord(value: Uint8Array): RouteRecord {
  reader.reset(value, 0, value.length);
  const route = readRoute(reader);
  const options = readSubscriptionOptions(reader);
  reader.release();
  return { route, options };
}

function longName(route: StoredRoute): string {
  const { tenantId, filter, group, isOrdered, clientId } = route;
  return [tenantId, filter, isOrdered ? "o" : "s", group, clientId].join("\0");
}
