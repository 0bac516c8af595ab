import assert from "node:assert/strict";
import test from "node:test";
import { open } from "lmdb";
import { type OldReader, ReaderWatch } from "../../../src/workers/store/reader-watch.ts";
import { scratchFolder } from "./store-fixtures.ts";

const HEAD = "\t\tpid\t\t thread\t\t txnid\n";

function watch() {
  const state = { nowMs: 0, last: 10, list: "(no active readers)\n" };
  const told: OldReader[] = [];
  const watch = new ReaderWatch({
    list: () => state.list,
    lastCommit: () => state.last,
    clockMs: () => state.nowMs,
    onOld: (reader) => told.push(reader),
  });
  const lookFor = (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      watch.look();
      state.nowMs += 1000;
    }
    return told.splice(0);
  };
  return { state, lookFor };
}

test("reader watch: a reader that holds up the store's pages is told of, once", () => {
  const { state, lookFor } = watch();
  assert.deepEqual(lookFor(10), []);
  state.list = `${HEAD}     77 7fe907cadc80 8\n     78 7fe907cadc90 -\n`;
  assert.deepEqual(lookFor(5), []);
  assert.deepEqual(lookFor(60), [{ pid: 77, ageMs: 5000, commitsBehind: 2 }]);
  state.list = `${HEAD}     77 7fe907cadc80 9\n`;
  assert.deepEqual(lookFor(10), [{ pid: 77, ageMs: 5000, commitsBehind: 1 }], "another read");
});

test("reader watch: readers that move on, or hold up nothing, are not old", () => {
  const { state, lookFor } = watch();
  state.list = `${HEAD}     77 7fe907cadc80 10\n`;
  assert.deepEqual(lookFor(60), [], "nothing was written since");
  for (let round = 0; round < 60; round++) {
    state.last += 10;
    state.list = `${HEAD}     77 7fe907cadc80 ${state.last - 1}\n`;
    assert.deepEqual(lookFor(1), []);
  }
});

test("reader watch: LMDB's own table is understood", async (t) => {
  const root = open<Buffer, Buffer>({
    path: scratchFolder(t),
    keyEncoding: "binary",
    encoding: "binary",
  });
  t.after(() => root.close());
  const told: OldReader[] = [];
  let nowMs = 0;
  const watch = new ReaderWatch({
    list: () => String(root.readerList()),
    lastCommit: () => (root.getStats() as { lastTxnId: number }).lastTxnId,
    clockMs: () => nowMs,
    onOld: (reader) => told.push(reader),
  });
  const key = Buffer.from("key");
  await root.put(key, key);
  const held = root.useReadTransaction();
  root.get(key, { transaction: held });
  await root.put(key, Buffer.from("later"));
  await root.put(key, Buffer.from("and later"));
  for (; nowMs <= 6000; nowMs += 1000) watch.look();
  held.done();
  assert.deepEqual(
    told.map(({ pid, ageMs }) => [pid, ageMs]),
    [[process.pid, 5000]],
  );
  assert.ok((told[0]?.commitsBehind ?? 0) >= 1);
});
