/**
 * The contract of LogStore as tests: every implementation must pass them. An implementation is a
 * place (a folder, a piece of memory) over which stores are opened one after the other.
 */

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { Entry } from "../../../src/shared/raft/entry.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import type { LogStore } from "../../../src/workers/store/log-store.ts";
import { entries, entry, indexesOf, patterned, rangeRecord, recordAt } from "./store-fixtures.ts";

export interface StorePlace {
  /** Opens what the last store left; that one is closed. */
  open(): LogStore;
}

type MakePlace = (t: TestContext) => StorePlace;

const EVERYTHING = { maxEntries: 1_000_000, maxBytes: 1_000_000_000 };
const NO_KEY = new Uint8Array(0);

/** Registers the contract's tests for the implementation `name`. */
export function testLogStoreContract(name: string, makePlace: MakePlace): void {
  testLog(name, makePlace);
  testTrimming(name, makePlace);
  testReading(name, makePlace);
  testRecords(name, makePlace);
  testState(name, makePlace);
  testCommits(name, makePlace);
}

function allEntries(store: LogStore, id: number, low = 1): readonly Entry[] {
  return store.readEntries(id, low, 1_000_000_000, 1_000_000_000);
}

function testLog(name: string, makePlace: MakePlace): void {
  test(`${name}: entries come back as they were appended, also after reopening`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    const written = entries(1, 100);
    store.putRecord(recordAt(7, { commit: 100 }));
    store.append(7, written);
    await store.commit();
    assert.deepEqual(allEntries(store, 7), written);
    await store.close();

    const again = place.open();
    assert.deepEqual(allEntries(again, 7), written);
    const [range] = again.opened;
    assert.equal(range?.damage, null);
    assert.equal(range?.lastIndex, 100);
    assert.deepEqual(range?.termRuns, [{ firstIndex: 1, term: 1 }]);
    await again.close();
  });

  test(`${name}: an append replaces the tail that it meets [raft pitfall 10]`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    const large = entry(8, 1, patterned(100_000, 8));
    store.putRecord(recordAt(7, { term: 2 }));
    store.append(7, [...entries(1, 7), large, ...entries(9, 10)]);
    await store.commit();
    store.append(7, entries(5, 8, 2));
    await store.commit();
    const expected = [...entries(1, 4), ...entries(5, 8, 2)];
    assert.deepEqual(allEntries(store, 7), expected);
    await store.close();

    const again = place.open();
    assert.deepEqual(allEntries(again, 7), expected);
    assert.equal(again.opened[0]?.lastIndex, 8);
    assert.deepEqual(again.opened[0]?.termRuns, [
      { firstIndex: 1, term: 1 },
      { firstIndex: 5, term: 2 },
    ]);
    await again.close();
  });

  test(`${name}: a tail is replaced within one commit`, async (t) => {
    const store = makePlace(t).open();
    store.putRecord(recordAt(7, { term: 3 }));
    store.append(7, entries(1, 10));
    store.append(7, entries(4, 6, 2));
    store.append(7, entries(6, 6, 3));
    await store.commit();
    assert.deepEqual(allEntries(store, 7), [
      ...entries(1, 3),
      ...entries(4, 5, 2),
      ...entries(6, 6, 3),
    ]);
    await store.close();
  });

  test(`${name}: truncate removes the tail, and the log goes on`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    store.putRecord(recordAt(7, {}));
    store.append(7, entries(1, 10));
    await store.commit();
    store.truncate(7, 4);
    store.truncate(7, 50);
    store.append(7, entries(4, 5));
    await store.commit();
    assert.deepEqual(indexesOf(allEntries(store, 7)), [1, 2, 3, 4, 5]);
    await store.close();
    const again = place.open();
    assert.equal(again.opened[0]?.damage, null);
    assert.equal(again.opened[0]?.lastIndex, 5);
    await again.close();
  });
}

function testTrimming(name: string, makePlace: MakePlace): void {
  test(`${name}: trimming takes the oldest entries in slices, and may stop halfway`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    store.putRecord(recordAt(7, { commit: 100, applied: 60, compacted: 60 }));
    const log = [...entries(61, 80), entry(81, 1, patterned(50_000, 81)), ...entries(82, 120)];
    store.append(7, log);
    store.putRecord(recordAt(7, { commit: 120, applied: 110, compacted: 100 }));
    await store.commit();
    store.trim(7, 100, 25);
    await store.commit();
    assert.equal(allEntries(store, 7, 86)[0]?.index, 86);
    assert.deepEqual(allEntries(store, 7, 85), []);
    await store.close();

    const again = place.open();
    assert.equal(again.opened[0]?.damage, null);
    assert.deepEqual(again.opened[0]?.termRuns, [{ firstIndex: 101, term: 1 }]);
    again.trim(7, 100, 1000);
    await again.commit();
    again.trim(7, 100, 1000);
    await again.commit();
    assert.deepEqual(indexesOf(allEntries(again, 7, 101)), indexesOf(entries(101, 120)));
    assert.deepEqual(allEntries(again, 7, 100), []);
    await again.close();
  });

  test(`${name}: a log that was trimmed to its end goes on behind it`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    store.putRecord(recordAt(7, {}));
    store.append(7, entries(1, 5));
    store.putRecord(recordAt(7, { commit: 5, applied: 5, compacted: 5 }));
    store.trim(7, 5, 100);
    await store.commit();
    await store.close();
    const again = place.open();
    assert.equal(again.opened[0]?.lastIndex, 5);
    again.append(7, entries(6, 7));
    await again.commit();
    assert.deepEqual(indexesOf(allEntries(again, 7, 6)), [6, 7]);
    await again.close();
  });

  test(`${name}: a snapshot's log begins behind a gap; what is left below is no damage`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    store.putRecord(recordAt(7, {}));
    store.append(7, entries(1, 5));
    await store.commit();
    store.putRecord(recordAt(7, { commit: 50, applied: 50, compacted: 50 }));
    store.append(7, entries(51, 52));
    await store.commit();
    await store.close();
    const again = place.open();
    assert.equal(again.opened[0]?.damage, null);
    assert.equal(again.opened[0]?.lastIndex, 52);
    again.trim(7, 50, 1000);
    await again.commit();
    assert.deepEqual(allEntries(again, 7, 1), []);
    assert.deepEqual(indexesOf(allEntries(again, 7, 51)), [51, 52]);
    await again.close();
  });
}

function testReading(name: string, makePlace: MakePlace): void {
  test(`${name}: reading stops at its byte limit, but not before the first entry`, async (t) => {
    const store = makePlace(t).open();
    store.putRecord(recordAt(7, {}));
    store.append(7, entries(1, 10));
    await store.commit();
    assert.deepEqual(indexesOf(store.readEntries(7, 3, 9, 1_000_000)), [3, 4, 5, 6, 7, 8]);
    assert.deepEqual(indexesOf(store.readEntries(7, 3, 9, 2 * (32 + 21))), [3, 4]);
    assert.deepEqual(indexesOf(store.readEntries(7, 3, 9, 1)), [3]);
    assert.deepEqual(store.readEntries(7, 11, 12, 1000), []);
    await store.close();
  });

  test(`${name}: entries of every size come back whole, up to 8 MiB`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    // Around the limits of a part: a record is 26 bytes longer than its data.
    const part = 4 * 4096 - 16;
    const sizes = [0, 1, part - 27, part - 26, part - 25, 2 * part - 26, 2 * part, 8 * 1024 * 1024];
    const written = sizes.map((size, at) => entry(at + 1, 1, patterned(size, at)));
    store.putRecord(recordAt(7, {}));
    store.append(7, written);
    await store.commit();
    assert.deepEqual(allEntries(store, 7), written);
    await store.close();
    const again = place.open();
    assert.equal(again.opened[0]?.damage, null);
    assert.deepEqual(allEntries(again, 7), written);
    await again.close();
  });

  test(`${name}: what is appended is copied`, async (t) => {
    const store = makePlace(t).open();
    const data = patterned(1000, 1);
    const key = patterned(20, 2);
    store.putRecord(recordAt(7, {}));
    store.append(7, [entry(1, 1, data)]);
    store.state(ServiceId.INBOX).put(key, data);
    data.fill(0);
    key.fill(0);
    await store.commit();
    assert.deepEqual(allEntries(store, 7)[0]?.data, patterned(1000, 1));
    assert.deepEqual(store.get(ServiceId.INBOX, patterned(20, 2)), patterned(1000, 1));
    await store.close();
  });
}

function testRecords(name: string, makePlace: MakePlace): void {
  test(`${name}: records come back with every field, sorted by id`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    const full = rangeRecord(300, {
      descriptor: {
        id: 300,
        service: ServiceId.RETAIN,
        start: new Uint8Array([0, 255]),
        end: new Uint8Array([1]),
        boundaryVersion: 9,
        storeId: 3,
        mergingInto: 299,
        absorbedId: 301,
      },
      replicaId: 2 ** 40,
      hardState: { term: 12, vote: 3, commit: 7, epoch: 1, epochIndex: 5 },
      conf: { voters: [1, 2], outgoing: [2, 3], learners: [], learnersNext: [3], autoLeave: true },
      compactedIndex: 7,
      compactedTerm: 4,
      appliedIndex: 7,
      appliedMs: 1_800_000_000_000,
    });
    store.putRecord(full);
    store.putRecord(rangeRecord(2));
    store.putRecord(rangeRecord(4_000_000_000));
    await store.commit();
    await store.close();
    const again = place.open();
    assert.deepEqual(
      again.opened.map(({ id }) => id),
      [2, 300, 4_000_000_000],
    );
    assert.deepEqual(again.opened[1]?.record, full);
    assert.equal(again.opened[1]?.lastIndex, 7);
    await again.close();
  });

  test(`${name}: a forgotten range's record and log go, its neighbours' stay`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    for (const id of [6, 7, 8]) {
      store.putRecord(recordAt(id, {}));
      store.append(id, [...entries(1, 1500), entry(1501, 1, patterned(40_000, id))]);
    }
    store.state(ServiceId.INBOX).put(new Uint8Array([1]), patterned(5, 5));
    await store.commit();
    store.forget(7);
    for (let round = 0; round < 4; round++) await store.commit();
    assert.deepEqual(allEntries(store, 7), []);
    for (const id of [6, 8]) assert.equal(allEntries(store, id).length, 1501);
    assert.deepEqual(store.get(ServiceId.INBOX, new Uint8Array([1])), patterned(5, 5));
    await store.close();
    const again = place.open();
    assert.deepEqual(
      again.opened.map(({ id, damage }) => [id, damage]),
      [
        [6, null],
        [8, null],
      ],
    );
    await again.close();
  });

  test(`${name}: what is left of a forgotten range is swept after reopening`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    store.putRecord(recordAt(7, {}));
    store.append(7, entries(1, 2500));
    store.forget(7);
    await store.commit();
    await store.close();
    const again = place.open();
    assert.deepEqual(again.opened, []);
    assert.equal(allEntries(again, 7).length, 2500);
    for (let round = 0; round < 4; round++) await again.commit();
    assert.equal(allEntries(again, 7).length, 0);
    await again.close();
  });
}

function testState(name: string, makePlace: MakePlace): void {
  test(`${name}: keys of all byte values, and empty values`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    const state = store.state(ServiceId.INBOX);
    const keys = Array.from({ length: 256 }, (_, byte) => new Uint8Array([byte, 255 - byte, 0]));
    const longest = new Uint8Array(1900).fill(0xff);
    for (const key of [...keys, longest]) state.put(key, key.slice(0, key[0]! % 4));
    await store.commit();
    await store.close();
    const again = place.open();
    for (const key of [...keys, longest]) {
      assert.deepEqual(again.get(ServiceId.INBOX, key), key.slice(0, key[0]! % 4));
    }
    const scanned = again.scan(ServiceId.INBOX, NO_KEY, null, EVERYTHING);
    assert.deepEqual(
      scanned.map(({ key }) => key),
      [...keys, longest],
    );
    assert.equal(again.get(ServiceId.INBOX, new Uint8Array([1])), null);
    await again.close();
  });

  test(`${name}: scans keep their bounds, their limits and their service`, async (t) => {
    const store = makePlace(t).open();
    const keyOf = (byte: number) => new Uint8Array([byte]);
    for (const service of Object.values(ServiceId)) {
      for (let byte = 0; byte < 10; byte++) {
        store.state(service).put(keyOf(byte), patterned(10, service));
      }
    }
    await store.commit();
    const scan = (start: Uint8Array, end: Uint8Array | null, limits: Partial<typeof EVERYTHING>) =>
      store
        .scan(ServiceId.INBOX, start, end, { ...EVERYTHING, ...limits })
        .map(({ key }) => key[0]);
    assert.deepEqual(scan(keyOf(3), keyOf(6), {}), [3, 4, 5]);
    assert.deepEqual(scan(keyOf(8), null, {}), [8, 9]);
    assert.deepEqual(scan(NO_KEY, keyOf(2), {}), [0, 1]);
    assert.deepEqual(scan(new Uint8Array([3, 0]), keyOf(5), {}), [4]);
    assert.deepEqual(scan(keyOf(2), null, { maxEntries: 3 }), [2, 3, 4]);
    assert.deepEqual(scan(keyOf(2), null, { maxBytes: 29 }), [2, 3]);
    assert.deepEqual(scan(keyOf(2), null, { maxBytes: 1 }), [2]);
    assert.deepEqual(scan(keyOf(6), keyOf(6), {}), []);
    await store.close();
  });

  test(`${name}: the last write of a key wins`, async (t) => {
    const store = makePlace(t).open();
    const state = store.state(ServiceId.DIST);
    const [kept, gone] = [new Uint8Array([1]), new Uint8Array([2])];
    state.delete(kept);
    state.put(kept, patterned(3, 1));
    state.put(kept, patterned(4, 2));
    state.put(gone, patterned(3, 1));
    state.delete(gone);
    await store.commit();
    assert.deepEqual(store.get(ServiceId.DIST, kept), patterned(4, 2));
    assert.equal(store.get(ServiceId.DIST, gone), null);
    await store.close();
  });

  test(`${name}: what reads return belongs to the caller`, async (t) => {
    const store = makePlace(t).open();
    const key = new Uint8Array([1, 2]);
    store.state(ServiceId.DIST).put(key, patterned(9, 1));
    await store.commit();
    store.get(ServiceId.DIST, key)!.fill(0);
    const [found] = store.scan(ServiceId.DIST, NO_KEY, null, EVERYTHING);
    found!.key.fill(0);
    found!.value.fill(0);
    assert.deepEqual(store.scan(ServiceId.DIST, NO_KEY, null, EVERYTHING), [
      { key, value: patterned(9, 1) },
    ]);
    await store.close();
  });
}

function testCommits(name: string, makePlace: MakePlace): void {
  test(`${name}: reads see nothing of what is only gathered`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    const key = new Uint8Array([1]);
    store.putRecord(recordAt(7, {}));
    store.append(7, entries(1, 3));
    store.state(ServiceId.INBOX).put(key, key);
    assert.ok(store.gatheredBytes > 3 * 32);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(store.get(ServiceId.INBOX, key), null);
    assert.deepEqual(allEntries(store, 7), []);
    await store.close();
    const again = place.open();
    assert.deepEqual(again.opened, []);
    assert.equal(again.get(ServiceId.INBOX, key), null);
    await again.close();
  });

  test(`${name}: two commits at a time, durable in order, and the second wins`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    const key = new Uint8Array([1]);
    const order: number[] = [];
    store.putRecord(recordAt(7, {}));
    await store.commit();
    for (let round = 0; round < 20; round++) {
      store.append(7, [entry(2 * round + 1)]);
      store.state(ServiceId.INBOX).put(key, new Uint8Array([2 * round]));
      const first = store.commit().then(() => order.push(2 * round));
      assert.equal(store.gatheredBytes, 0);
      store.append(7, [entry(2 * round + 2)]);
      store.state(ServiceId.INBOX).put(key, new Uint8Array([2 * round + 1]));
      const second = store.commit().then(() => {
        order.push(2 * round + 1);
        assert.deepEqual(store.get(ServiceId.INBOX, key), new Uint8Array([2 * round + 1]));
      });
      await Promise.all([first, second]);
    }
    assert.deepEqual(order, [...order.keys()]);
    assert.equal(order.length, 40);
    assert.deepEqual(indexesOf(allEntries(store, 7)), indexesOf(entries(1, 40)));
    await store.close();
    const again = place.open();
    assert.equal(again.opened[0]?.lastIndex, 40);
    await again.close();
  });

  test(`${name}: an empty commit resolves behind the earlier ones`, async (t) => {
    const store = makePlace(t).open();
    await store.commit();
    store.putRecord(recordAt(7, {}));
    let isDurable = false;
    void store.commit().then(() => {
      isDurable = true;
    });
    await store.commit();
    assert.ok(isDurable);
    await store.close();
  });

  test(`${name}: closing waits for commits under way`, async (t) => {
    const place = makePlace(t);
    const store = place.open();
    store.putRecord(recordAt(7, {}));
    store.append(7, entries(1, 1000));
    const commit = store.commit();
    await store.close();
    await commit;
    const again = place.open();
    assert.equal(again.opened[0]?.lastIndex, 1000);
    await again.close();
  });

  test(`${name}: usage counts what is stored`, async (t) => {
    const store = makePlace(t).open();
    const before = store.usage().liveBytes;
    store.putRecord(recordAt(7, {}));
    store.append(7, [entry(1, 1, patterned(1_000_000, 1))]);
    await store.commit();
    const { liveBytes, fileBytes } = store.usage();
    assert.ok(liveBytes - before > 1_000_000);
    assert.ok(fileBytes >= liveBytes);
    await store.close();
  });
}
