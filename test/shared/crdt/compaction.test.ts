import assert from "node:assert/strict";
import { test } from "node:test";
import { Compaction } from "../../../src/shared/crdt/compaction.ts";
import { OrMap } from "../../../src/shared/crdt/or-map.ts";

const STAMP = { physicalMs: 1, counter: 0 };
const NEVER = Number.POSITIVE_INFINITY;

/** A map that has seen one value of each of `writers`, removed again where `isDead`. */
function mapKnowing(writers: string[], isDead: boolean): OrMap {
  const map = new OrMap("self");
  for (const writer of writers) {
    const other = new OrMap(writer);
    map.merge(other.deltaOf(other.put(writer, new Uint8Array(1), STAMP), 10).delta);
    if (isDead) map.remove(writer);
  }
  return map;
}

test("compaction: an ended life without values is forgotten after the retention", () => {
  const map = mapKnowing(["old", "living"], true);
  const compaction = new Compaction(map, 1_000);
  assert.equal(compaction.nextDeadlineMs, NEVER);
  compaction.handleLiving(new Set(["self", "living"]), 50);
  assert.equal(compaction.nextDeadlineMs, 1_050);
  compaction.handleTimeout(1_049);
  assert.deepEqual([...map.replicas()].sort(), ["living", "old"]);
  compaction.handleTimeout(1_050);
  assert.deepEqual([...map.replicas()], ["living"]);
  assert.equal(compaction.nextDeadlineMs, NEVER);
});

test("compaction: values keep the history of their writer until somebody adopts them", () => {
  const map = mapKnowing(["old"], false);
  const compaction = new Compaction(map, 1_000);
  compaction.handleLiving(new Set(), 0);
  compaction.handleTimeout(1_000);
  assert.deepEqual([...map.replicas()], ["old"]);
  map.adopt("old");
  compaction.handleTimeout(1_999);
  assert.deepEqual([...map.replicas()].sort(), ["old", "self"]);
  compaction.handleTimeout(2_000);
  assert.deepEqual([...map.replicas()], ["self"], "its own history it never forgets");
});

test("compaction: who comes back to life within the retention is not forgotten", () => {
  const map = mapKnowing(["away"], true);
  const compaction = new Compaction(map, 1_000);
  compaction.handleLiving(new Set(), 0);
  assert.ok(compaction.isRetired("away"));
  compaction.handleLiving(new Set(["away"]), 500);
  assert.equal(compaction.isRetired("away"), false);
  compaction.handleTimeout(5_000);
  assert.deepEqual([...map.replicas()], ["away"]);
  compaction.handleLiving(new Set(), 6_000);
  assert.equal(compaction.nextDeadlineMs, 7_000, "the clock starts anew");
});

test("compaction: news of an ended life that comes later is forgotten in its turn", () => {
  const map = mapKnowing([], true);
  const compaction = new Compaction(map, 1_000);
  compaction.handleLiving(new Set(), 0);
  const late = new OrMap("late");
  map.merge(late.deltaOf(late.put("k", new Uint8Array(0), STAMP), 10).delta);
  compaction.noticeRetired(300);
  compaction.noticeRetired(900);
  assert.equal(compaction.nextDeadlineMs, 1_300);
  assert.equal(compaction.isRetired("self"), false);
});

test("compaction: a thousand restarts leave a history of the living only", () => {
  const map = new OrMap("self");
  const compaction = new Compaction(map, 1_000);
  for (let life = 0; life < 1_000; life++) {
    const replica = `node/${life}`;
    const writer = new OrMap(replica);
    map.merge(writer.deltaOf(writer.put("k", Uint8Array.of(life), STAMP), 10).delta);
    map.remove("k");
    compaction.handleLiving(new Set(["self", replica]), life * 100);
    compaction.handleTimeout(life * 100);
    assert.ok(map.historySize <= 12);
  }
});
