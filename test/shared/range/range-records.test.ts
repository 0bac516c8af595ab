import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { WireReader } from "../../../src/shared/bytes/wire-reader.ts";
import { type Entry, EntryType, emptyEntry } from "../../../src/shared/raft/entry.ts";
import { TERM_COMPACTED, TERM_UNKNOWN } from "../../../src/shared/raft/storage.ts";
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  BatchKind,
  patchBatchHeader,
  readBatchHeader,
  writeBatchHeader,
} from "../../../src/shared/range/command-batch.ts";
import { EntryWindow } from "../../../src/shared/range/entry-window.ts";
import {
  appendRecordBytes,
  putAppendRecord,
  readAppendRecord,
} from "../../../src/shared/range/raft-record.ts";
import { ReportKind, readReports, writeReport } from "../../../src/shared/range/range-report.ts";
import { restoreTerms } from "../../../src/shared/range/restore-terms.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import {
  incarnationOf,
  PROCESS_NUMBER_BOUND,
  processOf,
  workerBoot,
} from "../../../src/shared/range/worker-life.ts";

const PLAIN = { noNullPrototype: true } as const;
const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const entry: fc.Arbitrary<Entry> = fc.record(
  {
    index: number,
    term: number,
    type: fc.constantFrom(EntryType.NORMAL, EntryType.CONF_CHANGE),
    data: fc.uint8Array({ maxLength: 100 }),
  },
  PLAIN,
);
const hardState = fc.record(
  {
    term: number,
    vote: number,
    commit: number,
    epoch: number,
    epochIndex: number,
  },
  PLAIN,
);

test("append record: takes exactly the bytes it says, anywhere, and is read back", () => {
  const append = fc.record(
    {
      range: fc.nat({ max: 0xffff_ffff }),
      number: fc.nat({ max: 0xffff_ffff }),
      hardState: fc.option(hardState),
      entries: fc.array(entry, { maxLength: 5 }),
    },
    PLAIN,
  );
  fc.assert(
    fc.property(append, fc.nat({ max: 9 }), (record, offset) => {
      const size = appendRecordBytes(record);
      const bytes = new Uint8Array(offset + size + 4).fill(0xaa);
      putAppendRecord(bytes, offset, record);
      assert.ok(bytes.subarray(0, offset).every((byte) => byte === 0xaa));
      assert.ok(bytes.subarray(offset + size).every((byte) => byte === 0xaa));
      const reader = new RecordReader();
      reader.reset(bytes, offset, size);
      assert.deepEqual(readAppendRecord(reader), record);
      reader.release();
    }),
  );
});

test("batch header: has its size, keeps its fields, and takes late ones", () => {
  const header: BatchHeader = {
    kind: BatchKind.SPLIT,
    nowMs: 1_790_000_000_123,
    boundaryVersion: 1,
    boot: workerBoot(PROCESS_NUMBER_BOUND - 1, 65_535),
    thread: 64,
    proposal: 0,
  };
  const writer = new RecordWriter();
  writer.u32(0xdead);
  writeBatchHeader(writer, header);
  assert.equal(writer.size, 4 + BATCH_HEADER_BYTES);
  patchBatchHeader(writer, 4, 77, 2 ** 40 + 5);
  const reader = new RecordReader();
  reader.reset(writer.bytes, 4, BATCH_HEADER_BYTES);
  const read = { ...header };
  assert.ok(readBatchHeader(reader, read));
  assert.deepEqual(read, { ...header, boundaryVersion: 77, proposal: 2 ** 40 + 5 });
  writer.patchU8(4, 9);
  reader.reset(writer.bytes, 4, BATCH_HEADER_BYTES);
  assert.equal(readBatchHeader(reader, read), false, "of a version that is not known");
});

test("worker life: a boot number tells its process and its start", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: PROCESS_NUMBER_BOUND - 1 }),
      fc.nat({ max: 65_535 }),
      (life, start) => {
        const boot = workerBoot(life, start);
        assert.ok(Number.isSafeInteger(boot));
        assert.deepEqual([processOf(boot), incarnationOf(boot)], [life, start]);
      },
    ),
  );
});

test("reports: several in one record are read back; a cut-off one is refused", () => {
  const descriptor = {
    id: 3,
    service: ServiceId.RETAIN,
    start: Uint8Array.of(1),
    end: null,
    boundaryVersion: 4,
    storeId: 2,
    mergingInto: 2,
    absorbedId: 9,
  };
  const reports = [
    {
      kind: ReportKind.OPENED,
      descriptor,
      replicaId: 1,
      hardState: { term: 3, vote: 1, commit: 9, epoch: 0, epochIndex: 0 },
      conf: { voters: [1], outgoing: [], learners: [], learnersNext: [], autoLeave: false },
      applied: 8,
      compactedIndex: 5,
      compactedTerm: 2,
      lastIndex: 11,
      termRuns: [{ firstIndex: 6, term: 2 }],
    },
    { kind: ReportKind.DAMAGED, id: 5, storeId: 1, descriptor: null, how: "entry 7: checksum" },
    { kind: ReportKind.DAMAGED, id: 6, storeId: 1, descriptor, how: "ü" },
    { kind: ReportKind.CHANGED, descriptor },
    { kind: ReportKind.CLOSED, id: 8 },
    { kind: ReportKind.COMPLETE },
  ] as const;
  const writer = new RecordWriter();
  for (const report of reports) writeReport(writer, report);
  const read = (size: number) => readReports(new WireReader(writer.bytes, 0, size));
  assert.deepEqual(read(writer.size), reports);
  // Cut behind a whole report the rest is simply missing: the ring's length is to be trusted.
  const whole = new Set<number>();
  const counter = new RecordWriter();
  for (const report of reports) {
    whole.add(counter.size);
    writeReport(counter, report);
  }
  for (let size = 0; size < writer.size; size++) {
    if (!whole.has(size)) assert.equal(read(size), null, `cut at ${size}`);
  }
});

test("entry window: behaves as the array of what is appended and not released", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("append"), back: fc.nat({ max: 3 }), count: fc.nat({ max: 9 }) }),
    fc.record({ kind: fc.constant("release"), count: fc.nat({ max: 12 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const window = new EntryWindow();
      let model: Entry[] = [];
      let last = 10;
      let released = 10;
      for (const action of steps) {
        if ("back" in action) {
          const first = Math.max(released, last - action.back) + 1;
          const entries = Array.from({ length: action.count + 1 }, (_, at) => {
            return emptyEntry(first + at, at);
          });
          window.append(entries);
          model = [...model.filter(({ index }) => index < first), ...entries];
          last = first + action.count;
        } else {
          released = Math.min(last, released + action.count);
          window.releaseTo(released);
          model = model.filter(({ index }) => index > released);
        }
        assert.equal(window.isEmpty, model.length === 0);
        const low = model[0]?.index ?? last + 1;
        assert.deepEqual(window.slice(low, last + 1, 1e9), model);
        assert.equal(window.get(low - 1), null);
        assert.equal(window.get(last + 1), null);
      }
    }),
  );
});

test("restored terms: every index has the term of its run, and nothing else is known", () => {
  const terms = restoreTerms(
    { compactedIndex: 5, compactedTerm: 2 },
    {
      lastIndex: 20,
      termRuns: [
        { firstIndex: 6, term: 2 },
        { firstIndex: 9, term: 4 },
        { firstIndex: 20, term: 7 },
      ],
    },
  );
  const found = [4, 5, 8, 9, 19, 20, 21].map((index) => terms.term(index));
  assert.deepEqual(found, [TERM_COMPACTED, 2, 2, 4, 4, 7, TERM_UNKNOWN]);
  const empty = restoreTerms(
    { compactedIndex: 5, compactedTerm: 2 },
    { lastIndex: 5, termRuns: [] },
  );
  assert.deepEqual([empty.lastIndex, empty.term(5)], [5, 2]);
});
