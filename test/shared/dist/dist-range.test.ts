/** A range of stored routes: incarnations, what it tells its worker, crashes, cuts and merges. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { distRangeKey } from "../../../src/shared/dist/dist-key.ts";
import {
  type StoredRoute,
  writeRouteAdd,
  writeRouteRemove,
} from "../../../src/shared/dist/dist-log-command.ts";
import { type DistOutput, DistRange } from "../../../src/shared/dist/dist-range.ts";
import type { KeyValueReader } from "../../../src/shared/range/key-value.ts";
import type { ApplyContext } from "../../../src/shared/range/range-state-machine.ts";
import { MapKeyValues } from "../../helpers/map-key-values.ts";
import { OPTIONS } from "../../helpers/service-workers.ts";
import { finish, rowsPerStep } from "../../helpers/steps.ts";

const WHOLE = { start: NO_BYTES, end: null };

type Batch = (writer: RecordWriter) => void;

/** One worker with its match index, as a map from route to incarnation. */
class Worker implements DistOutput {
  readonly store: MapKeyValues;
  readonly index = new Map<string, number>();
  readonly answers: number[] = [];
  readonly ranges: DistRange[];

  constructor(store: MapKeyValues, scan: KeyValueReader["scan"] | null = null) {
    this.store = store;
    const reader = scan === null ? store : { get: (key: Uint8Array) => store.get(key), scan };
    this.ranges = [new DistRange(WHOLE, { reader, output: this })];
    this.ranges[0]!.load();
  }

  apply(batch: Batch, range = this.ranges[0]!, isOwnBoot = true): void {
    const writer = new RecordWriter();
    batch(writer);
    const reader = new RecordReader();
    reader.reset(writer.bytes, 0, writer.size);
    const context: ApplyContext = { index: 1, nowMs: 1, boot: 1, thread: 1, isOwnBoot };
    range.apply(reader, context);
    reader.release();
  }

  collect(): void {
    for (const range of this.ranges) {
      range.collect(this.store.writer);
      this.store.commit();
      range.collected();
    }
  }

  routeAdded(
    route: StoredRoute,
    _options: unknown,
    answer: Parameters<DistOutput["unchanged"]>[0] | null,
  ): void {
    this.index.set(nameOf(route), route.incarnation);
    if (answer !== null) this.answers.push(answer.request);
  }

  routeRemoved(route: StoredRoute, answer: Parameters<DistOutput["unchanged"]>[0] | null): void {
    this.index.delete(nameOf(route));
    if (answer !== null) this.answers.push(answer.request);
  }

  unchanged(answer: Parameters<DistOutput["unchanged"]>[0]): void {
    this.answers.push(-answer.request);
  }
}

function nameOf({ tenantId, filter, group, isOrdered, clientId }: StoredRoute): string {
  return [tenantId, filter, group, isOrdered, clientId].join("|");
}

function route(fields: Partial<StoredRoute> = {}): StoredRoute {
  const plain = { tenantId: "t", filter: "a/#", group: "", isOrdered: false, clientId: "c" };
  return { ...plain, incarnation: 1, ...fields };
}

const add =
  (fields: Partial<StoredRoute>, request = 1): Batch =>
  (writer) =>
    writeRouteAdd(writer, request, route(fields), OPTIONS);
const remove =
  (fields: Partial<StoredRoute>, request = 1): Batch =>
  (writer) =>
    writeRouteRemove(writer, request, route(fields));

test("dist range: a late clean-up of an earlier incarnation leaves the live route alone", () => {
  const worker = new Worker(new MapKeyValues());
  worker.apply(add({ incarnation: 1 }, 1));
  worker.apply(add({ incarnation: 2 }, 2));
  worker.apply(remove({ incarnation: 1 }, 3));
  assert.equal(worker.index.get(nameOf(route())), 2);
  worker.apply(add({ incarnation: 1 }, 4));
  assert.equal(worker.index.get(nameOf(route())), 2);
  worker.apply(remove({ incarnation: 2 }, 5));
  assert.equal(worker.index.size, 0);
  assert.deepEqual(worker.answers, [1, 2, -3, -4, 5]);
});

test("dist range: alone, in a shared and in an ordered group are three routes", () => {
  const worker = new Worker(new MapKeyValues());
  for (const fields of [{}, { group: "g" }, { group: "g", isOrdered: true }]) {
    worker.apply(add(fields));
  }
  assert.equal(worker.index.size, 3);
  assert.equal(worker.ranges[0]!.keyCount, 3);
  assert.equal(worker.ranges[0]!.stateBytes, 900, "routes count, written or not");
  worker.apply(remove({ group: "g" }));
  assert.equal(worker.index.has(nameOf(route({ group: "g" }))), false);
  assert.equal(worker.index.size, 2);
});

test("dist range: nobody is answered for another life of the process", () => {
  const worker = new Worker(new MapKeyValues());
  worker.apply(add({}), worker.ranges[0]!, false);
  worker.apply(remove({ clientId: "nobody" }), worker.ranges[0]!, false);
  assert.deepEqual(worker.answers, []);
  assert.equal(worker.index.size, 1);
});

test("dist range: filters that are too long for a key are routes like others", () => {
  const store = new MapKeyValues();
  const worker = new Worker(store);
  const filter = "x/".repeat(2000);
  worker.apply(add({ filter }));
  worker.apply(add({ filter: `${filter}#` }));
  worker.collect();
  const next = new Worker(store);
  assert.equal(next.index.size, 2);
  next.apply(add({ filter, incarnation: 3 }));
  next.collect();
  assert.equal(store.size, 2);
  next.apply(remove({ filter, incarnation: 3 }));
  next.collect();
  assert.equal(store.size, 1);
  assert.equal(new Worker(store).index.size, 1);
});

const operation = fc.record({
  filter: fc.constantFrom("a", "a/#", "b/+", "c", "x".repeat(2000)),
  clientId: fc.constantFrom("1", "2"),
  group: fc.constantFrom("", "g"),
  incarnation: fc.integer({ min: 1, max: 3 }),
  isAdd: fc.boolean(),
  after: fc.constantFrom("", "", "collect", "crash", "split", "merge"),
});

test("dist range: a crash, a cut and a merge at any place change nothing", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const store = new MapKeyValues();
      const model = new Map<string, number>();
      let worker = new Worker(store);
      let log: Batch[] = [];
      for (const { isAdd, after, ...fields } of operations) {
        const batch = isAdd ? add(fields) : remove(fields);
        worker.apply(batch, rangeOf(worker, route(fields)));
        log.push(batch);
        const name = nameOf(route(fields));
        const current = model.get(name) ?? 0;
        if (isAdd && fields.incarnation >= current) model.set(name, fields.incarnation);
        if (!isAdd && current <= fields.incarnation) model.delete(name);
        const [first] = worker.ranges;
        if (after === "collect") {
          worker.collect();
          log = [];
        } else if (after === "split" && worker.ranges.length === 1) {
          const middle = finish(first!.planSplit(null));
          if (middle !== null) worker.ranges.push(finish(first!.splitOff(middle, store)));
        } else if (after === "merge" && worker.ranges.length === 2) {
          finish(first!.absorb(worker.ranges.pop()!));
        } else if (after === "crash") {
          store.crash();
          worker = new Worker(store);
          for (const again of log) worker.apply(again);
        }
      }
      assert.deepEqual(new Map([...worker.index].sort()), new Map([...model].sort()));
      const keys = worker.ranges.reduce((sum, range) => sum + range.keyCount, 0);
      assert.equal(keys, model.size);
    }),
    { numRuns: 300 },
  );
});

test("dist range: a cut that is counted ahead counts what has changed meanwhile", () => {
  const steps = fc.record({
    filter: fc.constantFrom("a", "b/#", "c", "d/+", "e", "f", "x".repeat(2000)),
    isAdd: fc.boolean(),
    after: fc.constantFrom("", "step", "step", "collect"),
  });
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 40 }), fc.nat(20), (operations, planAt) => {
      const store = new MapKeyValues();
      // A row per page, so that the count takes many steps.
      const worker = new Worker(store, (start, end) => store.scan(start, end, 1, 1));
      const [left] = worker.ranges as [DistRange];
      const cut = distRangeKey(route({ filter: "d/+" }));
      const model = new Set<string>();
      let plan = null;
      for (const [index, { isAdd, after, filter }] of operations.entries()) {
        if (index === planAt) plan = left.planSplit(cut);
        worker.apply(isAdd ? add({ filter }) : remove({ filter }));
        if (isAdd) model.add(filter);
        else model.delete(filter);
        if (after === "collect") worker.collect();
        if (after === "step") plan?.next();
      }
      const right = finish(left.splitOff(cut, store));
      for (const range of [left, right]) {
        const held = [...model].filter((filter) => range.holds(route({ filter })));
        assert.equal(range.keyCount, held.length);
      }
    }),
    { numRuns: 300 },
  );
});

test("dist range: the middle is found, and the range cut, some hundred rows at a time", () => {
  const store = new MapKeyValues();
  const filling = new Worker(store);
  for (let number = 0; number < 3000; number++) filling.apply(add({ filter: `f/${number}` }));
  filling.collect();
  let left!: DistRange;
  const { result: right, rows } = rowsPerStep(store, function* (reader) {
    left = new Worker(store, reader.scan).ranges[0]!;
    yield;
    const at = yield* left.planSplit(null);
    yield;
    return yield* left.splitOff(at!, reader);
  });
  const steps = rows.slice(1);
  assert.ok(Math.max(...steps) <= 256, `${Math.max(...steps)} rows in a step`);
  assert.equal(steps.at(-1), 0, "all of it was counted ahead");
  assert.deepEqual([left.keyCount, right.keyCount], [1500, 1500]);
});

function rangeOf(worker: Worker, one: StoredRoute): DistRange {
  return worker.ranges.find((range) => range.holds(one))!;
}
