/**
 * A range of retained messages: decides, stores, forgets nothing in a crash, and can be cut and
 * joined.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { COUNTER_COLUMNS, Counter } from "../../../src/shared/metrics/counter-table.ts";
import type { Message } from "../../../src/shared/mqtt/message.ts";
import type { KeyValue, KeyValueReader } from "../../../src/shared/range/key-value.ts";
import { compareKeys } from "../../../src/shared/range/range-descriptor.ts";
import type { ApplyContext } from "../../../src/shared/range/range-state-machine.ts";
import {
  UNCAPPED,
  writeRetainExpire,
  writeRetainStore,
} from "../../../src/shared/retain/retain-log-command.ts";
import { RetainRange } from "../../../src/shared/retain/retain-range.ts";
import { RetainStatus } from "../../../src/shared/retain/retain-types.ts";
import { type RetainedEntry, RetainedTopics } from "../../../src/shared/retain/retained-topics.ts";
import { RetainedTrie } from "../../../src/shared/topic/retained-trie.ts";
import { MapKeyValues } from "../../helpers/map-key-values.ts";
import { message, payloadOf } from "../../helpers/service-workers.ts";
import { finish, rowsPerStep } from "../../helpers/steps.ts";

const WHOLE = { start: NO_BYTES, end: null };
const NOW = 1_000_000;
const encoder = new TextEncoder();

type Batch = (writer: RecordWriter) => void;

/** One worker with one range, over a store that can be killed. */
class Worker {
  readonly store: MapKeyValues;
  readonly answers: number[] = [];
  readonly counters = new Float64Array(COUNTER_COLUMNS);
  readonly topics: RetainedTopics;
  readonly ranges: RetainRange[] = [];
  refusals = 0;

  constructor(store: MapKeyValues, hotBytes = 0, scan: KeyValueReader["scan"] | null = null) {
    this.store = store;
    this.topics = new RetainedTopics({
      trie: new RetainedTrie<RetainedEntry>(),
      counters: this.counters,
      hotBytes,
      readCold: (...topic) => this.ranges[0]!.readCold(...topic),
    });
    const range = new RetainRange(WHOLE, {
      topics: this.topics,
      reader: scan === null ? store : { get: (key) => store.get(key), scan },
      output: {
        stored: (_thread, _request, status) => this.answers.push(status),
        retainRefused: () => {
          this.refusals += 1;
        },
      },
    });
    this.ranges.push(range);
    range.load();
  }

  apply(batch: Batch, nowMs = NOW, isOwnBoot = true, range = this.ranges[0]!): void {
    const writer = new RecordWriter();
    batch(writer);
    const reader = new RecordReader();
    reader.reset(writer.bytes, 0, writer.size);
    const context: ApplyContext = { index: 1, nowMs, boot: 1, thread: 1, isOwnBoot };
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

  payload(topic: string, nowMs = NOW): string | null {
    return payloadOf(this.topics.get("t", encoder.encode(topic), nowMs)?.message ?? null);
  }
}

const put = (fields: Parameters<typeof message>[0], allowance = UNCAPPED): Batch => {
  const stored = message({ receivedAtMs: NOW, ...fields });
  return (writer) => writeRetainStore(writer, 1, allowance, stored);
};

test("retain range: keeps the last message, an empty payload clears [MQTT-3.3.1-5] [MQTT-3.3.1-6]", () => {
  const worker = new Worker(new MapKeyValues());
  worker.apply(put({ topic: "a", payload: "one" }));
  worker.apply(put({ topic: "a", payload: "two" }));
  worker.apply(put({ topic: "b", payload: "x" }));
  worker.apply(put({ topic: "b", payload: "" }));
  assert.equal(worker.payload("a"), "two");
  assert.equal(worker.payload("b"), null);
  assert.deepEqual(worker.answers, [0, 0, 0, 0]);
  assert.equal(worker.counters[Counter.RETAINED_MESSAGES], 1);
  assert.equal(worker.counters[Counter.RETAINED_BYTES], 4);
});

test("retain range: what is cold is read from the store, replaced and cleared there", () => {
  const store = new MapKeyValues();
  const worker = new Worker(store);
  worker.apply(put({ topic: "a", payload: "one" }));
  worker.collect();
  assert.equal(worker.topics.find("t", encoder.encode("a"))!.message, null);
  assert.equal(worker.payload("a"), "one");
  worker.apply(put({ topic: "a", payload: "three" }));
  assert.equal(worker.payload("a"), "three");
  worker.apply(put({ topic: "a", payload: "" }));
  worker.collect();
  assert.equal(store.size, 0);
  assert.equal(worker.counters[Counter.RETAINED_BYTES], 0);
});

test("retain range: one that cannot be read to its end leaves nothing of itself in memory", () => {
  const store = new MapKeyValues();
  const writing = new Worker(store);
  for (let number = 0; number < 30; number++) writing.apply(put({ topic: `t/${number}` }));
  writing.apply(put({ topic: "long/".repeat(600) }));
  writing.collect();
  const rows = store.scan(new Uint8Array(0), null, 1000, 1 << 30);
  for (const readable of [0, 10, 25]) {
    const { topics, counters } = new Worker(new MapKeyValues());
    const isRotten = ({ key }: KeyValue) => compareKeys(key, rows[readable]!.key) === 0;
    const rotten: KeyValueReader = {
      get: (key) => store.get(key),
      scan: (start, end, _maxEntries, maxBytes) => {
        const page = store.scan(start, end, 5, maxBytes);
        if (page.some(isRotten)) throw new Error("rotten");
        return page;
      },
    };
    const output = { stored: () => {}, retainRefused: () => {} };
    const range = new RetainRange(WHOLE, { topics, reader: rotten, output });
    assert.throws(() => {
      range.load();
    }, /rotten/);
    assert.equal(topics.size, 0);
    assert.equal(counters[Counter.RETAINED_MESSAGES], 0);
    assert.equal(counters[Counter.RETAINED_BYTES], 0);
  }
});

test("retain range: a command says what it may add; replacing by less is always allowed", () => {
  const worker = new Worker(new MapKeyValues());
  const store = (topic: string, payload: string, topics: number, bytes: number) => {
    worker.apply(put({ topic, payload }, { topics, bytes }));
    return worker.answers.at(-1);
  };
  const { OK, QUOTA } = RetainStatus;
  assert.equal(store("a", "123456789", 1, 10), OK);
  assert.equal(store("b", "1", 0, 10), QUOTA);
  assert.equal(store("b", "1", 1, 1), QUOTA);
  assert.equal(store("a", "1234567890", 0, 0), QUOTA);
  assert.equal(store("a", "1234567890", 0, 1), OK);
  assert.equal(store("a", "12", 0, 0), OK);
  worker.apply(put({ topic: "b", payload: "1" }, { topics: 0, bytes: 0 }), NOW, false);
  assert.equal(worker.refusals, 3, "an earlier life has counted its own");
  assert.equal(worker.payload("a"), "12");
});

test("retain range: expires by command, and only the message that was meant [MQTT-3.3.2-5]", () => {
  const worker = new Worker(new MapKeyValues());
  const topic = encoder.encode("a");
  worker.apply(put({ topic: "a", payload: "old", expirySeconds: 1 }));
  worker.collect();
  const due = worker.topics.pollExpired(NOW + 1000)!;
  assert.equal(due.expiresAtMs, NOW + 1000);
  worker.apply(put({ topic: "a", payload: "new", expirySeconds: 9, receivedAtMs: NOW + 5 }));
  worker.apply((writer) => writeRetainExpire(writer, "t", topic, due.expiresAtMs));
  assert.equal(worker.payload("a"), "new");
  worker.apply((writer) => writeRetainExpire(writer, "t", topic, NOW + 9005));
  assert.equal(worker.payload("a"), null);
  assert.equal(worker.topics.nextDeadlineMs, Number.POSITIVE_INFINITY);
});

test("retain range: answers go to this life of the process only", () => {
  const worker = new Worker(new MapKeyValues());
  worker.apply(put({ topic: "a" }), NOW, false);
  assert.deepEqual(worker.answers, []);
  assert.equal(worker.payload("a"), "payload");
});

test("retain range: messages of topics that are too long for a key go cold too, and stay so at start", () => {
  const worker = new Worker(new MapKeyValues());
  const topics = ["", "y", "z"].map((end) => "x".repeat(3000) + end);
  const apply = (to: Worker, fields: object) => {
    for (const topic of topics) to.apply(put({ topic, payload: "p".repeat(5000), ...fields }));
    to.collect();
  };
  apply(worker, {});
  const trieBytes = worker.topics.memoryBytes;
  const next = new Worker(worker.store);
  apply(worker, { expirySeconds: 60 });
  assert.equal(worker.topics.memoryBytes, trieBytes, "nothing but topics");
  assert.equal(next.topics.memoryBytes, trieBytes);
  const last = new Worker(worker.store);
  for (const [at, topic] of topics.entries()) {
    assert.equal(last.payload(topic)?.length, 5000);
    assert.equal(last.payload(topic, NOW + 60_000), null);
    if (at > 0) last.apply(put({ topic, payload: "" }));
  }
  last.collect();
  assert.equal(last.store.size, 1);
});

test("retain range: topics that are too long for a key survive a restart and can be replaced", () => {
  const store = new MapKeyValues();
  const long = "x".repeat(3000);
  const worker = new Worker(store);
  worker.apply(put({ topic: long, payload: "one" }));
  worker.apply(put({ topic: `${long}y`, payload: "other" }));
  worker.collect();
  const next = new Worker(store);
  assert.equal(next.payload(long), "one");
  next.apply(put({ topic: long, payload: "two" }));
  next.apply(put({ topic: `${long}z`, payload: "third" }));
  next.collect();
  const last = new Worker(store);
  assert.deepEqual(
    ["", "y", "z"].map((end) => last.payload(long + end)),
    ["two", "other", "third"],
  );
});

test("retain range: topics that change often do not pile up in memory", () => {
  const worker = new Worker(new MapKeyValues(), 1024 * 1024);
  worker.apply(put({ topic: "a", payload: "0000", expirySeconds: 3600 }));
  worker.collect();
  const before = worker.topics.memoryBytes;
  for (let round = 0; round < 5000; round++) {
    worker.apply(put({ topic: "a", payload: String(round), expirySeconds: 3600 }));
    worker.collect();
  }
  assert.equal(worker.topics.memoryBytes, before);
  assert.equal(worker.payload("a"), "4999");
});

const operation = fc.record({
  topic: fc.constantFrom("a", "a/b", "b", "c/d/e", "$x"),
  payload: fc.constantFrom("", "1", "22", "333"),
  expirySeconds: fc.constantFrom(-1, 5),
  after: fc.constantFrom("", "", "collect", "crash", "split", "merge"),
});

test("retain range: a crash, a cut and a merge at any place change nothing", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), fc.boolean(), (operations, isHot) => {
      const store = new MapKeyValues();
      const model = new Map<string, string>();
      let worker = new Worker(store, isHot ? 1e6 : 0);
      let log: Batch[] = [];
      for (const { after, ...fields } of operations) {
        const batch = put(fields);
        const target = rangeOf(worker, fields.topic);
        worker.apply(batch, NOW, true, target);
        log.push(batch);
        if (fields.payload === "") model.delete(fields.topic);
        else model.set(fields.topic, fields.payload);
        if (after === "collect") {
          worker.collect();
          log = [];
        } else if (after === "split" && worker.ranges.length === 1) {
          const at = finish(worker.ranges[0]!.planSplit(null))!;
          worker.ranges.push(finish(worker.ranges[0]!.splitOff(at, store)));
        } else if (after === "merge" && worker.ranges.length === 2) {
          finish(worker.ranges[0]!.absorb(worker.ranges.pop()!));
        } else if (after === "crash") {
          store.crash();
          worker = new Worker(store, isHot ? 1e6 : 0);
          for (const again of log) worker.apply(again);
        }
      }
      const now = new Map<string, string>();
      for (const topic of ["a", "a/b", "b", "c/d/e", "$x"]) {
        const payload = worker.payload(topic);
        if (payload !== null) now.set(topic, payload);
      }
      assert.deepEqual(now, new Map([...model].sort()));
      const keys = worker.ranges.reduce((sum, range) => sum + range.keyCount, 0);
      assert.equal(keys, model.size);
      assert.equal(worker.counters[Counter.RETAINED_MESSAGES], model.size);
    }),
    { numRuns: 300 },
  );
});

const duringPlan = fc.record({
  topic: fc.constantFrom("a", "a/b", "b", "c/d/e", "f", "g/h", "$x"),
  payload: fc.constantFrom("", "1", "22", "333"),
  after: fc.constantFrom("", "step", "step", "collect"),
});

test("retain range: a cut that is counted ahead counts what has changed meanwhile", () => {
  fc.assert(
    fc.property(
      fc.array(duringPlan, { maxLength: 40 }),
      fc.nat(20),
      fc.boolean(),
      (operations, planAt, isPlanned) => {
        const store = new MapKeyValues();
        // A row per page, so that the count takes many steps.
        const worker = new Worker(store, 1e6, (start, end) => store.scan(start, end, 1, 1));
        const [left] = worker.ranges as [RetainRange];
        const model = new Map<string, string>();
        let plan = null;
        for (const [index, { after, ...fields }] of operations.entries()) {
          if (index === planAt && isPlanned) plan = left.planSplit(null);
          worker.apply(put(fields));
          if (fields.payload === "") model.delete(fields.topic);
          else model.set(fields.topic, fields.payload);
          if (after === "collect") worker.collect();
          if (after === "step") plan?.next();
        }
        const right = finish(left.splitOff(Uint8Array.of(0x80, 0, 0, 0), store));
        for (const range of [left, right]) {
          const held = [...model].filter(([topic]) => range.holds("t", encoder.encode(topic)));
          const bytes = held.reduce((sum, [topic, { length }]) => sum + topic.length + length, 0);
          assert.deepEqual([range.keyCount, range.stateBytes], [held.length, bytes]);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("retain range: a cut is counted, and made, some hundred rows at a time", () => {
  const store = new MapKeyValues();
  const filling = new Worker(store);
  for (let number = 0; number < 3000; number++) filling.apply(put({ topic: `t/${number}` }));
  filling.collect();
  for (const isPlanned of [true, false]) {
    let range: RetainRange;
    const { rows } = rowsPerStep(store, function* (reader) {
      range = new Worker(store, 0, reader.scan).ranges[0]!;
      yield;
      const at = isPlanned ? yield* range.planSplit(null) : Uint8Array.of(0x80, 0, 0, 0);
      yield;
      return yield* range.splitOff(at!, reader);
    });
    const [loading, ...steps] = rows;
    assert.ok(loading! >= 3000);
    assert.ok(Math.max(...steps) <= 256, `${Math.max(...steps)} rows in a step`);
    assert.ok(steps.length > 3);
    if (isPlanned) assert.equal(steps.at(-1), 0, "all of it was counted ahead");
  }
});

/** The range that a topic belongs to. */
function rangeOf(worker: Worker, topic: string): RetainRange {
  const probe: Message = message({ topic });
  return worker.ranges.find((range) => range.holds(probe.tenantId, probe.topic))!;
}

/** A QoS 2 publish of a stored session; `fields.epoch` above 1: its repeat. */
function attempt(
  fields: { readonly payload?: string; readonly epoch?: number; readonly sequence?: number },
  settled = 0,
): Batch {
  const { payload = "first", epoch = 1, sequence = 1 } = fields;
  const stored = message({ topic: "a", payload, qos: 2, receivedAtMs: NOW });
  const isRepeat = epoch > 1;
  const who = { publisher: 4097, packetId: 5, fingerprint: payload.length };
  stored.origin = { ...who, epoch, sequence, settled, isRepeat, isForStored: isRepeat };
  return (writer) => writeRetainStore(writer, 1, UNCAPPED, stored);
}

test("retain range: a repeated QoS 2 publish replaces nothing that has come since [MQTT-4.3.3-10]", () => {
  for (const later of ["second", ""]) {
    const store = new MapKeyValues();
    let worker = new Worker(store);
    worker.apply(attempt({}));
    worker.apply(put({ topic: "a", payload: later }));
    const expected = later === "" ? null : later;
    for (const epoch of [2, 3]) {
      worker.apply(attempt({ epoch }));
      assert.equal(worker.payload("a"), expected);
      worker.collect();
      worker = new Worker(store);
      assert.equal(worker.payload("a"), expected);
    }
    worker.apply(attempt({ epoch: 3, sequence: 2, payload: "" }, 1));
    worker.apply(attempt({ epoch: 4 }));
    assert.equal(worker.payload("a"), "first", "what was acknowledged is another publish by then");
  }
});

test("retain range: a repeat whose first attempt was lost is stored, and that attempt is not", () => {
  const worker = new Worker(new MapKeyValues());
  worker.apply(put({ topic: "a", payload: "older" }));
  worker.apply(attempt({ epoch: 2 }));
  assert.equal(worker.payload("a"), "first");
  worker.apply(put({ topic: "a", payload: "newer" }));
  worker.apply(attempt({ epoch: 1 }));
  assert.equal(worker.payload("a"), "newer");
  assert.deepEqual(worker.answers, [0, 0, 0, 0]);
});

test("retain range: both halves of one that is cut, and what they become again, know repeats", () => {
  const store = new MapKeyValues();
  const worker = new Worker(store);
  const [whole] = worker.ranges as [RetainRange];
  worker.apply(attempt({}));
  worker.collect();
  const at = Uint8Array.of(0x80, 0, 0, 0);
  const right = finish(whole.splitOff(at, store));
  const half = right.holds("t", encoder.encode("a")) ? right : whole;
  worker.ranges.push(right);
  worker.apply(put({ topic: "a", payload: "newer" }), NOW, true, half);
  worker.apply(attempt({ epoch: 2 }), NOW, true, half);
  assert.equal(worker.payload("a"), "newer");
  worker.collect();
  finish(whole.absorb(right));
  worker.ranges.pop();
  worker.apply(attempt({ epoch: 3 }));
  assert.equal(worker.payload("a"), "newer");
  worker.collect();
  const again = new Worker(store);
  again.apply(attempt({ epoch: 4 }));
  assert.equal(again.payload("a"), "newer");
  assert.equal(store.size, 2, "one message, one publisher");
});
