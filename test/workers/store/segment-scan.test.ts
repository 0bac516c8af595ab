import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import fc from "fast-check";
import { SegmentFolder } from "../../../src/workers/store/segment-folder.ts";
import { SegmentLog } from "../../../src/workers/store/segment-log.ts";
import { scanLog } from "../../../src/workers/store/segment-scan.ts";
import {
  bodyOf,
  changed,
  emptyEnd,
  NOTHING_KNOWN,
  numbers,
  sampleLog,
  scanSample,
} from "./segment-fixtures.ts";
import { patterned, scratchFolder } from "./store-fixtures.ts";

const PAGE = 4096;
const FLUSHED = { batches: 6, bytesPerBatch: 300, isFlushed: true } as const;

test("segment scan: finds every batch, over all segments", async (t) => {
  const sample = await sampleLog(t, { ...FLUSHED, bytesPerBatch: 400_000 });
  assert.ok(sample.segments.size > 1);
  const { end, sound } = scanSample(sample);
  assert.deepEqual(sound, numbers(6));
  assert.equal(end.damage, null);
  assert.equal(end.lastBatch, 6);
  assert.equal(end.filled, sample.places.at(-1)!.to);
});

test("segment scan: a last batch of which only a beginning was written is cut, wherever it ends", async (t) => {
  const sample = await sampleLog(t, FLUSHED);
  const { segment, from, to } = sample.places.at(-1)!;
  const whole = sample.segments.get(segment)!;
  for (const stale of [0, 0xa5]) {
    for (let end = from; end < to; end++) {
      const torn = changed(sample, segment, (bytes) => bytes.fill(stale, end, to));
      const isWhole = Buffer.compare(torn.segments.get(segment)!, whole) === 0;
      const isPadding = end > to - 8;
      const { end: found, sound } = scanSample(torn);
      assert.equal(found.damage, null);
      if (!isWhole && !isPadding) assert.equal(found.lastBatch, 5);
      assert.deepEqual(sound, numbers(found.lastBatch));
    }
  }
});

test("segment scan: a last batch of which any pages are missing is cut", async (t) => {
  const sample = await sampleLog(t, { ...FLUSHED, bytesPerBatch: 5 * PAGE });
  const { segment, from, to } = sample.places.at(-1)!;
  const firstPage = Math.floor(from / PAGE);
  const pages = Math.ceil(to / PAGE) - firstPage;
  for (let lost = 1; lost < 2 ** pages; lost++) {
    const torn = changed(sample, segment, (bytes) => {
      for (let page = 0; page < pages; page++) {
        if ((lost & (1 << page)) === 0) continue;
        const start = (firstPage + page) * PAGE;
        bytes.fill(0, Math.max(from, start), Math.min(to, start + PAGE));
      }
    });
    const { end, sound } = scanSample(torn);
    assert.equal(end.damage, null);
    assert.equal(end.lastBatch, 5);
    assert.deepEqual(sound, numbers(5));
  }
});

test("segment scan: without flushes, what is behind a torn batch is cut with it", async (t) => {
  const sample = await sampleLog(t, { ...FLUSHED, isFlushed: false });
  const { segment, from } = sample.places[2]!;
  const torn = changed(sample, segment, (bytes) => bytes.fill(0, from, from + 60));
  const { end, sound } = scanSample(torn);
  assert.equal(end.damage, null);
  assert.deepEqual(sound, [1, 2]);
});

test("segment scan: a bad batch that a later one calls durable is damage, and its place is named", async (t) => {
  const sample = await sampleLog(t, FLUSHED);
  const { segment, from } = sample.places[2]!;
  const rotten = changed(sample, segment, (bytes) => bytes.fill(0, from, from + 60));
  const { end, sound } = scanSample(rotten);
  assert.equal(end.damage, `segment ${segment}: batch 3 at ${from} cannot be read`);
  assert.deepEqual(sound, [1, 2]);
});

test("segment scan: a bad batch of which the database already has the state is damage", async (t) => {
  const sample = await sampleLog(t, { ...FLUSHED, hasState: true });
  const { segment, from } = sample.places.at(-1)!;
  const rotten = changed(sample, segment, (bytes) => bytes.fill(0, from, from + 60));
  assert.equal(scanSample(rotten, 5).end.damage, null);
  assert.match(scanSample(rotten, 6).end.damage ?? "", /batch 6/);
});

test("segment scan: a batch that is cut is told of, and one that the log was closed behind is damage", async (t) => {
  const sample = await sampleLog(t, { ...FLUSHED, hasState: true });
  const { segment, from, to } = sample.places.at(-1)!;
  assert.equal(scanSample(sample).end.cut, null);
  for (const place of [from + 10, from + 60, to - 10]) {
    const rotten = changed(sample, segment, (bytes) => {
      bytes[place]! ^= 1;
    });
    const { end } = scanSample(rotten, 5);
    assert.equal(end.damage, null);
    assert.deepEqual(end.cut, { batch: 6, segment, at: from });
    const closed = scanSample(rotten, 5, 6).end;
    assert.match(closed.damage ?? "", /batch 6/);
    assert.equal(closed.cut, null);
  }
});

test("segment scan: what an earlier life of a file left behind the last batch is nothing that is cut", async (t) => {
  const sample = await sampleLog(t, FLUSHED);
  const { segment, from, to } = sample.places[2]!;
  const last = sample.places.at(-1)!;
  const reused = changed(sample, segment, (bytes) => bytes.copyWithin(last.to, from, to));
  const { end } = scanSample(reused);
  assert.equal(end.lastBatch, 6);
  assert.equal(end.cut, null);
});

test("segment scan: a database without the state of segments that are gone is damage", async (t) => {
  const sample = await sampleLog(t, {
    batches: 9,
    bytesPerBatch: 400_000,
    isFlushed: true,
    hasState: true,
  });
  const [first, second] = [...sample.segments.keys()];
  const gone = sample.places.filter((place) => place.segment === first).length;
  const left = new Map([...sample.segments].filter(([number]) => number !== first));
  const behind = (state: number) => scanSample({ ...sample, segments: left }, state).end.damage;
  assert.equal(behind(gone), null);
  assert.equal(behind(9), null);
  for (const state of [0, gone - 1]) {
    const expected = `the state after batch ${gone} is missing, the database has that after ${state}`;
    assert.equal(behind(state), `segment ${second}: ${expected}`);
  }
});

test("segment scan: batches without state need none in the database", async (t) => {
  const files = new SegmentFolder(join(scratchFolder(t), "log"));
  const log = new SegmentLog(files, emptyEnd(), true);
  for (let index = 1; index <= 9; index++) {
    await log.append(bodyOf(index, patterned(400_000, index), index <= 1));
  }
  await log.close();
  const sources = files.list().map((number) => ({ number, read: () => files.readNow(number) }));
  const end = scanLog(sources.slice(1), { state: 1, closed: 0 }, () => {});
  assert.equal(end.damage, null);
  assert.equal(end.lastBatch, 9);
});

test("segment scan: a rotten payload is the damage of its entries, not of the log", async (t) => {
  const sample = await sampleLog(t, FLUSHED);
  const { segment, to } = sample.places[2]!;
  const rotten = changed(sample, segment, (bytes) => {
    bytes[to - 100]! ^= 4;
  });
  const { end, sound, broken } = scanSample(rotten);
  assert.equal(end.damage, null);
  assert.deepEqual(broken, [3]);
  assert.deepEqual(sound, [1, 2, 4, 5, 6]);
});

test("segment scan: a rotten payload with state that the database lacks is damage", async (t) => {
  const sample = await sampleLog(t, { ...FLUSHED, hasState: true });
  const { segment, to } = sample.places[2]!;
  const rotten = changed(sample, segment, (bytes) => {
    bytes[to - 100]! ^= 4;
  });
  assert.match(scanSample(rotten, 2).end.damage ?? "", /batch 3/);
  const { end, broken } = scanSample(rotten, 3);
  assert.equal(end.damage, null);
  assert.deepEqual(broken, [3]);
});

test("segment scan: a flipped bit anywhere is cut, named, or one entry's; no wrong entry comes out", async (t) => {
  const sample = await sampleLog(t, { ...FLUSHED, bytesPerBatch: 90 });
  const [segment, whole] = [...sample.segments][0]!;
  const end = sample.places.at(-1)!.to;
  for (let at = 0; at < end; at++) {
    const bit = 1 << (at % 8);
    const flipped = changed(sample, segment, (bytes) => {
      bytes[at]! ^= bit;
    });
    assert.notDeepEqual(flipped.segments.get(segment), whole);
    const found = scanSample(flipped, 5);
    if (found.end.damage !== null) continue;
    // Batch 6 was perhaps never acknowledged, all others were.
    assert.ok(found.end.lastBatch >= 5, `a bit at ${at} was overlooked`);
    assert.ok(found.sound.length + found.broken.length >= 5);
  }
});

test("segment scan: a segment that is missing, or whose header is rotten, is damage", async (t) => {
  const sample = await sampleLog(t, { batches: 12, bytesPerBatch: 400_000, isFlushed: true });
  const [first, second, third] = [...sample.segments.keys()];
  assert.ok(third !== undefined);
  const without = new Map([...sample.segments].filter(([number]) => number !== second));
  assert.match(scanSample({ ...sample, segments: without }).end.damage ?? "", /segment 1: batch/);
  for (const number of [first!, second!]) {
    const rotten = changed(sample, number, (bytes) => {
      bytes[9]! ^= 1;
    });
    const expected = `segment ${number}: its header is wrong`;
    assert.equal(scanSample(rotten).end.damage, expected);
  }
  assert.equal(scanSample({ ...sample, segments: new Map() }, 5).end.damage, "the log is missing");
});

test("segment scan: a segment whose first batch was torn, header and all, is not in use", async (t) => {
  const sample = await sampleLog(t, { batches: 3, bytesPerBatch: 600_000, isFlushed: true });
  const last = sample.places.at(-1)!.segment;
  const torn = changed(sample, last, (bytes) => bytes.fill(0, 20, 5000));
  const { end, sound } = scanSample(torn);
  assert.equal(end.damage, null);
  assert.deepEqual(end.unused, [last]);
  assert.deepEqual(sound, numbers(sound.length));
});

test("segment scan: what an earlier life left behind a cut does not go on behind the new batch", async (t) => {
  const files = new SegmentFolder(join(scratchFolder(t), "log"));
  const read = () =>
    scanLog(
      files.list().map((number) => ({ number, read: () => files.readNow(number) })),
      NOTHING_KNOWN,
      () => {},
    );
  const first = new SegmentLog(files, emptyEnd(), false);
  const ends: number[] = [];
  for (let index = 1; index <= 5; index++) {
    const body = bodyOf(index, patterned(200, index));
    const { payloadAt } = await first.append(body);
    ends.push(payloadAt + body.payload[0]!.length);
  }
  await first.close();
  // The machine dies; batch 4 was torn, batch 5 is whole.
  const whole = read();
  const torn = { ...whole, lastBatch: 3, checksum: 0 };
  const bytes = files.readNow(1);
  const cut = scanLog(
    [{ number: 1, read: () => bytes.fill(0, ends[2]! + 8, ends[2]! + 40) }],
    NOTHING_KNOWN,
    () => {},
  );
  assert.equal(cut.lastBatch, torn.lastBatch);
  const second = new SegmentLog(files, { ...cut, sizes: whole.sizes }, false);
  // As large as the torn one, so that the old batch 5 lies right behind it.
  await second.append(bodyOf(4, patterned(200, 99)));
  await second.close();
  assert.equal(read().lastBatch, 4);
});

test("segment scan: whatever the bytes are, it does not throw", async (t) => {
  const sample = await sampleLog(t, FLUSHED);
  const [segment] = [...sample.segments.keys()];
  const size = sample.places.at(-1)!.to;
  fc.assert(
    fc.property(fc.nat(size), fc.uint8Array({ maxLength: 200 }), fc.nat(8), (at, bytes, state) => {
      const spoilt = changed(sample, segment!, (target) => target.set(bytes, at));
      const { end } = scanSample(spoilt, state);
      if (end.damage === null) assert.ok(end.lastBatch >= Math.min(5, state));
    }),
    { numRuns: 500 },
  );
  for (const bytes of [new Uint8Array(0), new Uint8Array(31), patterned(100, 1)]) {
    const { unused } = scanLog([{ number: 1, read: () => bytes }], NOTHING_KNOWN, () => {});
    assert.deepEqual(unused, [1]);
  }
});
