/** Logs made of segments, as bytes, for tests that damage them, and what is found in such bytes. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { decodeEntryRecord, encodeEntryRecord } from "../../../src/shared/raft/disk-codec.ts";
import {
  visitDirectory,
  writeDirectory,
} from "../../../src/workers/store/batch-directory-codec.ts";
import { SegmentFolder } from "../../../src/workers/store/segment-folder.ts";
import { SegmentLog } from "../../../src/workers/store/segment-log.ts";
import {
  type KnownBatches,
  type LogEnd,
  scanLog,
} from "../../../src/workers/store/segment-scan.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { logKey } from "../../../src/workers/store/store-schema.ts";
import { WriteBatch } from "../../../src/workers/store/write-batch.ts";
import { entry, patterned, scratchFolder } from "./store-fixtures.ts";

export interface SampleLog {
  readonly segments: Map<number, Uint8Array>;
  /** Of each batch, in order: its segment and where in it the batch begins and ends. */
  readonly places: readonly {
    readonly segment: number;
    readonly from: number;
    readonly to: number;
  }[];
  /** Data of entry `index` of range 7; batch n holds entry n. */
  dataOf(index: number): Uint8Array;
}

export interface SampleOptions {
  readonly batches: number;
  readonly bytesPerBatch: number;
  /** Each batch is flushed before the next one is written. */
  readonly isFlushed: boolean;
  /** Batches that also write state. */
  readonly hasState?: boolean;
}

/** Bytes behind the last batch that are kept of its segment. */
const REST_BYTES = 4096;

export async function sampleLog(t: TestContext, options: SampleOptions): Promise<SampleLog> {
  const folder = new SegmentFolder(join(scratchFolder(t), "log"));
  const log = new SegmentLog(folder, emptyEnd(), options.isFlushed);
  const dataOf = (index: number) => patterned(options.bytesPerBatch, index);
  const places: { segment: number; from: number; to: number }[] = [];
  for (let index = 1; index <= options.batches; index++) {
    const body = bodyOf(index, dataOf(index), options.hasState === true);
    const { segment, payloadAt } = await log.append(body);
    const from = payloadAt - body.directory.length - 48;
    const size = 48 + body.directory.length + body.payload[0]!.length;
    places.push({ segment, from, to: from + Math.ceil(size / 8) * 8 });
  }
  await log.close();
  const used = new Set(places.map(({ segment }) => segment));
  const segments = new Map([...used].map((number) => [number, folder.readNow(number)]));
  const last = places.at(-1)!;
  segments.set(last.segment, segments.get(last.segment)!.slice(0, last.to + REST_BYTES));
  return { segments, places, dataOf };
}

export function bodyOf(index: number, data: Uint8Array, hasState = false) {
  const batch = new WriteBatch();
  batch.put(StoreTable.LOG, logKey(7, index), encodeEntryRecord(entry(index, 1, data)));
  if (hasState) batch.put(StoreTable.STATE, patterned(9, index), patterned(30, index));
  const writer = new RecordWriter();
  writeDirectory(writer, batch);
  const directory = writer.bytes.slice(0, writer.size);
  return { directory, payload: [batch.memory.slice()], hasState };
}

/** Of a database that is as new as the log. */
export const NOTHING_KNOWN: KnownBatches = { state: 0, closed: 0 };

export function emptyEnd(): LogEnd {
  return scanLog([], NOTHING_KNOWN, () => assert.fail("there is nothing"));
}

export interface Found {
  readonly end: LogEnd;
  /** Indexes of the entries that came out sound. */
  readonly sound: readonly number[];
  /** Of those that were found and not sound. */
  readonly broken: readonly number[];
}

/** Scans what may be damaged; no entry may come out that was not written. */
export function scanSample(sample: SampleLog, state = 0, closed = 0): Found {
  const sources = [...sample.segments].map(([number, bytes]) => ({ number, read: () => bytes }));
  const sound: number[] = [];
  const broken: number[] = [];
  const end = scanLog(sources, { state, closed }, ({ directory, payload }) => {
    visitDirectory(directory, payload.length, {
      entry: (id, index, at, size) => {
        assert.equal(id, 7);
        const found = decodeEntryRecord(payload.subarray(at, at + size));
        if (found === null) broken.push(index);
        else {
          assert.equal(found.index, index);
          assert.deepEqual(found.data, sample.dataOf(index));
          sound.push(index);
        }
      },
      removed: () => {},
      put: () => {},
      deleted: () => {},
    });
  });
  return { end, sound, broken };
}

/** The sample with the bytes of one segment changed by `change`. */
export function changed(
  sample: SampleLog,
  segment: number,
  change: (bytes: Uint8Array) => void,
): SampleLog {
  const bytes = sample.segments.get(segment)!.slice();
  change(bytes);
  return { ...sample, segments: new Map([...sample.segments, [segment, bytes]]) };
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_none, at) => at + 1);
}
