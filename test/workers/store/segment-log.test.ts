import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { SegmentFolder } from "../../../src/workers/store/segment-folder.ts";
import { SegmentLog } from "../../../src/workers/store/segment-log.ts";
import { type LogEnd, scanLog } from "../../../src/workers/store/segment-scan.ts";
import { bodyOf, emptyEnd, NOTHING_KNOWN } from "./segment-fixtures.ts";
import { patterned, scratchFolder } from "./store-fixtures.ts";

const MIB = 1024 * 1024;

/** A disk on which a file may take so much, as when it is almost full. */
class SmallFolder extends SegmentFolder {
  roomBytes = Number.POSITIVE_INFINITY;
  made: number[] = [];

  override make(number: number, bytes: number): Promise<void> {
    if (bytes > this.roomBytes) return Promise.reject(new Error("ENOSPC: no space left"));
    this.made.push(bytes / MIB);
    return super.make(number, bytes);
  }
}

function newFolder(t: TestContext): SmallFolder {
  return new SmallFolder(join(scratchFolder(t), "log"));
}

function scan(folder: SegmentFolder): LogEnd {
  const sources = folder.list().map((number) => ({ number, read: () => folder.readNow(number) }));
  return scanLog(sources, NOTHING_KNOWN, () => {});
}

async function append(log: SegmentLog, bytes: number): Promise<number> {
  const { number } = await log.append(bodyOf(log.lastBatch + 1, patterned(bytes, 1)));
  return number;
}

test("segment log: segments grow while the log is busy, and a large batch gets one that holds it", async (t) => {
  const folder = newFolder(t);
  const log = new SegmentLog(folder, emptyEnd(), true);
  for (let left = 9; left > 0; left--) await append(log, 500_000);
  await append(log, 30 * MIB);
  await append(log, 100);
  await log.close();
  assert.deepEqual(folder.made.slice(0, 3), [1, 2, 4]);
  assert.ok(folder.made.includes(31));
  assert.ok(folder.made.every((bytes) => bytes <= 16 || bytes === 31));
  const end = scan(folder);
  assert.equal(end.damage, null);
  assert.equal(end.lastBatch, 11);
});

test("segment log: on a disk that is almost full it goes on in smaller segments", async (t) => {
  const folder = newFolder(t);
  const log = new SegmentLog(folder, emptyEnd(), true);
  await append(log, 500_000);
  folder.roomBytes = MIB;
  for (let left = 5; left > 0; left--) await append(log, 400_000);
  folder.roomBytes = 0;
  const failing = async () => {
    for (;;) await append(log, 400_000);
  };
  await assert.rejects(failing(), /ENOSPC/);
  const written = log.lastBatch;
  // What could not begin a segment has left nothing behind.
  await assert.rejects(append(log, 400_000), /ENOSPC/);
  await log.close();
  assert.equal(scan(folder).lastBatch, written);
  assert.equal(scan(folder).damage, null);
});

test("segment log: space that comes back in time is used", async (t) => {
  const folder = newFolder(t);
  const log = new SegmentLog(folder, emptyEnd(), true);
  folder.roomBytes = MIB;
  // The next segment cannot be prepared, and nobody needs it yet.
  await append(log, 700_000);
  folder.roomBytes = Number.POSITIVE_INFINITY;
  for (let left = 10; left > 0; left--) await append(log, 700_000);
  await log.close();
  assert.equal(scan(folder).lastBatch, 11);
});

test("segment log: goes on where the last life ended, and keeps what that had prepared", async (t) => {
  const folder = newFolder(t);
  for (let life = 1; life <= 5; life++) {
    const end = life === 1 ? emptyEnd() : scan(folder);
    assert.equal(end.lastBatch, life - 1);
    const log = new SegmentLog(folder, end, true);
    assert.equal(await append(log, 300_000), life);
    await log.close();
  }
  assert.deepEqual(folder.made, [1, 2]);
  const end = scan(folder);
  assert.equal(end.lastBatch, 5);
  assert.deepEqual(end.used, [1, 2]);
});

test("segment log: what a crash left half made, or made too early, is removed", async (t) => {
  const path = join(scratchFolder(t), "log");
  const folder = new SegmentFolder(path);
  const log = new SegmentLog(folder, emptyEnd(), true);
  await append(log, 1000);
  await log.close();
  writeFileSync(join(path, "00000002.seg.tmp"), "half");
  for (const number of [2, 3, 9]) writeFileSync(folder.pathOf(number), new Uint8Array(MIB));
  const again = new SegmentLog(folder, scan(folder), true);
  await append(again, 1000);
  await again.close();
  assert.deepEqual(folder.list(), [1, 2]);
  assert.equal(scan(folder).lastBatch, 2);
});

test("segment log: a freed segment becomes the next one, and its old batches mean nothing", async (t) => {
  const folder = newFolder(t);
  const log = new SegmentLog(folder, emptyEnd(), true);
  for (let left = 60; left > 0; left--) {
    await append(log, MIB);
    while (log.oldestSealed > 0) log.freeOldest();
  }
  await log.close();
  assert.ok(folder.made.length < 6, `made ${folder.made.length}, the others were used again`);
  assert.ok(folder.list().length <= 2);
  const end = scan(folder);
  assert.equal(end.damage, null);
  assert.equal(end.lastBatch, 60);
});
