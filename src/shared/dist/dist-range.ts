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

  splitOff(at: Uint8Array, reader: KeyValueReader): DistRange {
    const right = new DistRange({ start: at, end: this.#end }, { ...this.#options, reader });
    this.#eachNow((key, record) => {
      if (compareKeys(key, at) < 0) return;
      right.#count += 1;
      right.#learnLong(key, record.route);
    });
    this.#count -= right.#count;
    this.#end = at;
    for (const [name, change] of this.#changes) {
      if (compareKeys(change.key, at) < 0) continue;
      this.#changes.delete(name);
      right.#changes.set(name, change);
    }
    for (const name of right.#long.keys()) this.#long.delete(name);
    right.#lastNumber = this.#lastNumber;
    return right;
  }

  absorb(right: RangeStateMachine): void {
    assert(right instanceof DistRange, "a neighbour of the same service");
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

  /** O(routes). */
  middleKey(): Uint8Array | null {
    let left = Math.floor(this.#count / 2);
    let middle: Uint8Array | null = null;
    this.#eachNow((_key, { route }) => {
      // The long routes of a tenant stay together.
      if (left === 0) middle = distRangeKey(route);
      left -= 1;
    });
    return middle === null || compareKeys(middle, this.#start) <= 0 ? null : middle;
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
