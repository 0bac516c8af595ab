/** Scans that pause while topics come and go: nothing lost, nothing twice, nothing left behind. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matchesFilter } from "../../../src/shared/topic/topic-filter.ts";
import { type Retained, RetainedIndex } from "./retained-index.ts";
import { anyFilter, anyTopic } from "./topics.ts";

function topicsOf(found: readonly Retained[]): string[] {
  return found.map((value) => value.topic);
}

test("retained scan: the topic it stands on may be removed, with all its ancestors", () => {
  const index = new RetainedIndex();
  for (const topic of ["a/1/x", "a/2/x", "a/3/x"]) index.set(topic);
  const scan = index.scan("#");
  const found: Retained[] = [];
  scan.next(1, found);
  for (const topic of ["a/1/x", "a/2/x", "a/3/x"]) index.delete(topic);
  index.set("b");
  assert.equal(scan.next(100, found), true);
  assert.equal(found.length, 1, "removed topics are not returned");
  index.delete("b");
  assert.equal(index.trie.nodeCount, 0);
});

test("retained scan: everything may be removed and set anew between two batches", () => {
  const index = new RetainedIndex();
  const topics = Array.from({ length: 20 }, (_, n) => `a/${n}/b`);
  for (const topic of topics) index.set(topic);
  const scan = index.scan("a/+/b");
  const found: Retained[] = [];
  for (let round = 0; round < 200 && !scan.next(1, found, 3); round++) {
    for (const topic of topics) index.delete(topic);
    for (const topic of topics) index.set(topic);
  }
  assert.equal(scan.isEnded, true);
  for (const topic of topics) index.delete(topic);
  assert.equal(index.trie.nodeCount, 0);
});

test("retained scan: topics added all the time do not keep it from ending", () => {
  const index = new RetainedIndex();
  for (let n = 0; n < 10; n++) index.set(`a/${n}`);
  const scan = index.scan("#");
  const found: Retained[] = [];
  let calls = 0;
  while (!scan.next(1, found)) index.set(`a/new${calls++}`);
  assert.ok(calls <= 30, `${calls} calls`);
  for (let n = 0; n < 10; n++) assert.ok(topicsOf(found).includes(`a/${n}`));
});

test("retained scan: closed halfway it keeps nothing alive; closing again does nothing", () => {
  const index = new RetainedIndex();
  index.set("a/b/c");
  const scan = index.scan("#");
  scan.next(1, [], 2);
  index.delete("a/b/c");
  assert.ok(index.trie.nodeCount > 0, "the scan still stands on its path");
  scan.close();
  scan.close();
  assert.equal(index.trie.nodeCount, 0);
  assert.equal(index.trie.symbolCount, 0);
  assert.equal(scan.next(1, []), true);
});

test("retained scan: two scans on the same path do not disturb each other", () => {
  const index = new RetainedIndex();
  for (const topic of ["a/1", "a/2", "a/3", "a/4"]) index.set(topic);
  const one = index.scan("a/+");
  const two = index.scan("a/+");
  const [byOne, byTwo]: Retained[][] = [[], []];
  assert.ok(byOne !== undefined && byTwo !== undefined);
  one.next(2, byOne);
  two.next(2, byTwo);
  one.close();
  for (const value of byTwo) index.delete(value.topic);
  assert.equal(two.next(10, byTwo), true);
  assert.deepEqual(topicsOf(byTwo).sort(), ["a/1", "a/2", "a/3", "a/4"]);
  for (const topic of ["a/1", "a/2", "a/3", "a/4"]) index.delete(topic);
  assert.equal(index.trie.nodeCount, 0);
});

/** What the model knows of one running scan. */
class WatchedScan {
  readonly filter: string;
  readonly scan;
  readonly found: Retained[] = [];
  /** Matching topics that have had a value since the scan began. */
  readonly steady: Set<string>;
  /** All topics that have had a value at some time since then. */
  readonly seen: Set<string>;

  constructor(index: RetainedIndex, filter: string, present: ReadonlySet<string>) {
    this.filter = filter;
    this.scan = index.scan(filter);
    this.steady = new Set([...present].filter((topic) => matchesFilter(filter, topic)));
    this.seen = new Set(present);
  }

  check(): void {
    const topics = topicsOf(this.found);
    for (const topic of topics) {
      assert.ok(matchesFilter(this.filter, topic), `${this.filter} does not match ${topic}`);
      assert.ok(this.seen.has(topic), `${topic} had no value during the scan`);
    }
    for (const topic of this.steady) {
      assert.equal(topics.filter((each) => each === topic).length, 1, `${topic} exactly once`);
    }
  }
}

const anyStep = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("set" as const), topic: anyTopic }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("delete" as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("scan" as const), filter: anyFilter }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("next" as const),
      pick: fc.nat(),
      batch: fc.integer({ min: 1, max: 3 }),
      visits: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), pick: fc.nat() }) },
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

class Model {
  readonly index = new RetainedIndex();
  readonly present = new Set<string>();
  scans: WatchedScan[] = [];

  run(step: Step): void {
    if (step.kind === "set") {
      this.#set(step.topic);
    } else if (step.kind === "scan") {
      this.scans.push(new WatchedScan(this.index, step.filter, this.present));
    } else if (step.kind === "delete") {
      const topic = [...this.present][step.pick % Math.max(1, this.present.size)];
      if (topic !== undefined) this.#delete(topic);
    } else {
      const watched = this.scans[step.pick % Math.max(1, this.scans.length)];
      if (watched === undefined) return;
      if (step.kind === "close") this.#close(watched);
      else if (watched.scan.next(step.batch, watched.found, step.visits)) this.#end(watched);
    }
  }

  /** Ends every scan, removes every topic, and expects an empty trie. */
  finish(): void {
    for (const watched of this.scans) {
      while (!watched.scan.next(2, watched.found));
      watched.check();
    }
    for (const topic of this.present) assert.notEqual(this.index.delete(topic), null);
    const { size, nodeCount, symbolCount } = this.index.trie;
    assert.deepEqual({ size, nodeCount, symbolCount }, { size: 0, nodeCount: 0, symbolCount: 0 });
  }

  #set(topic: string): void {
    this.index.set(topic);
    this.present.add(topic);
    for (const watched of this.scans) watched.seen.add(topic);
  }

  #delete(topic: string): void {
    assert.equal(this.index.delete(topic)?.topic, topic);
    this.present.delete(topic);
    for (const watched of this.scans) watched.steady.delete(topic);
  }

  #end(watched: WatchedScan): void {
    watched.check();
    this.scans = this.scans.filter((each) => each !== watched);
  }

  #close(watched: WatchedScan): void {
    watched.scan.close();
    this.scans = this.scans.filter((each) => each !== watched);
  }
}

test("retained scan: what stays is returned once, what never was is not, whatever changes meanwhile", () => {
  fc.assert(
    fc.property(
      fc.array(anyTopic, { maxLength: 20 }),
      fc.array(anyStep, { maxLength: 150, size: "max" }),
      (topics, steps) => {
        const model = new Model();
        for (const topic of topics) model.run({ kind: "set", topic });
        for (const step of steps) model.run(step);
        assert.equal(model.index.trie.size, model.present.size);
        model.finish();
      },
    ),
    { numRuns: 500 },
  );
});
