import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { FaultyDisk } from "./faulty-disk.ts";
import { testLogStoreContract } from "./log-store-contract.ts";
import { entries, entry, recordAt } from "./store-fixtures.ts";

testLogStoreContract("store on a faulty disk that holds", () => {
  const disk = new FaultyDisk();
  return { open: () => disk.open() };
});

test("faulty disk: a stalled commit is neither durable nor readable", async () => {
  const disk = new FaultyDisk();
  const store = disk.open();
  store.putRecord(recordAt(7, {}));
  await store.commit();
  disk.stall();
  store.append(7, entries(1, 2));
  let isDurable = false;
  const commit = store.commit().then(() => {
    isDurable = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isDurable, false);
  assert.deepEqual(store.readEntries(7, 1, 3, 1000), []);
  disk.resume();
  await commit;
  assert.equal(store.readEntries(7, 1, 3, 1000).length, 2);
});

test("faulty disk: a crash loses what was not flushed, commit by commit", async () => {
  const disk = new FaultyDisk();
  const store = disk.open();
  store.putRecord(recordAt(7, {}));
  await store.commit();
  disk.stall();
  store.append(7, entries(1, 2));
  void store.commit();
  store.append(7, entries(3, 4));
  void store.commit();
  assert.equal(disk.pendingCommits, 2);
  disk.crash(1);
  assert.equal(disk.open().opened[0]?.lastIndex, 2);
});

test("faulty disk: after a crash the old store has no effect", async () => {
  const disk = new FaultyDisk();
  const store = disk.open();
  store.putRecord(recordAt(7, {}));
  await store.commit();
  disk.crash();
  store.append(7, entries(1, 2));
  void store.commit();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(disk.open().opened[0]?.lastIndex, 0);
});

test("store: a failed commit rejects, and so does every later one [raft pitfall 11]", async () => {
  const disk = new FaultyDisk();
  const store = disk.open();
  store.putRecord(recordAt(7, {}));
  await store.commit();
  disk.failNext();
  store.append(7, entries(1, 2));
  const failed = store.commit();
  store.append(7, entries(3, 4));
  const behind = store.commit();
  await assert.rejects(failed, /the commit failed/);
  await assert.rejects(behind, /the commit failed/);
  disk.crash();
  const again = disk.open();
  assert.equal(again.opened[0]?.lastIndex, 0);
  assert.equal(again.opened[0]?.damage, null);
});

/** What a store must hold after the commits up to one of them. */
interface Model {
  readonly log: number[];
  readonly state: number;
}

test("store: whatever crashes, a reopened store is one of its commits, none older than acknowledged", async () => {
  const step = fc.record({
    kind: fc.constantFrom("append", "replace", "stall", "crash"),
    size: fc.integer({ min: 1, max: 20_000 }),
    kept: fc.integer({ min: 0, max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const disk = new FaultyDisk();
      let store = disk.open();
      // Of every commit since the last crash, the first of them durable then.
      let commits: Model[] = [{ log: [], state: 0 }];
      let durable = 0;
      store.putRecord(recordAt(7, {}));
      await store.commit();
      for (const { kind, size, kept } of steps) {
        if (kind === "stall") disk.stall();
        else if (kind === "crash") {
          const survivors = Math.min(kept, disk.pendingCommits);
          disk.crash(survivors);
          store = disk.open();
          const expected = commits[durable + survivors]!;
          assert.equal(store.opened[0]?.damage, null);
          const log = store.readEntries(7, 1, 1000, 1e9);
          assert.deepEqual(
            log.map(({ data }) => data.length),
            expected.log,
          );
          const state = store.get(ServiceId.INBOX, new Uint8Array([1]));
          assert.equal(state?.[0] ?? 0, expected.state);
          commits = [expected];
          durable = 0;
        } else {
          if (disk.pendingCommits === 2) disk.resume();
          await new Promise((resolve) => setImmediate(resolve));
          if (disk.pendingCommits === 0) durable = commits.length - 1;
          const before = commits.at(-1)!;
          const from = kind === "append" ? before.log.length : before.log.length >> 1;
          store.append(7, [entry(from + 1, 1, new Uint8Array(size))]);
          const state = (before.state + 1) & 0xff;
          store.state(ServiceId.INBOX).put(new Uint8Array([1]), new Uint8Array([state]));
          commits.push({ log: [...before.log.slice(0, from), size], state });
          void store.commit();
          await new Promise((resolve) => setImmediate(resolve));
          if (disk.pendingCommits === 0) durable = commits.length - 1;
        }
      }
    }),
    { numRuns: 100 },
  );
});
