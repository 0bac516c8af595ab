import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import {
  type DirectoryVisitor,
  visitDirectory,
  writeDirectory,
  writeEntryLine,
} from "../../../src/workers/store/batch-directory-codec.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { logKey } from "../../../src/workers/store/store-schema.ts";
import { WriteBatch } from "../../../src/workers/store/write-batch.ts";

const NO_VISITOR: DirectoryVisitor = {
  entry: () => {},
  removed: () => {},
  put: () => {},
  deleted: () => {},
};

/** What a visitor is told, in words. */
function told(directory: Uint8Array, payload: Uint8Array): string[] | null {
  const lines: string[] = [];
  const hex = ({ at, size }: { at: number; size: number }) =>
    Buffer.from(payload.subarray(at, at + size)).toString("hex");
  const isSound = visitDirectory(directory, payload.length, {
    entry: (id, index, at, size) => lines.push(`entry ${id} ${index} ${hex({ at, size })}`),
    removed: (id, from, to) => {
      for (let index = from; index <= to; index++) lines.push(`removed ${id} ${index}`);
    },
    put: (table, key, value) => lines.push(`put ${table} ${hex(key)} ${hex(value)}`),
    deleted: (table, key) => lines.push(`deleted ${table} ${hex(key)}`),
  });
  return isSound ? lines : null;
}

function directoryOf(batch: WriteBatch): {
  readonly bytes: Uint8Array;
  readonly hasState: boolean;
} {
  const writer = new RecordWriter();
  const hasState = writeDirectory(writer, batch);
  return { bytes: writer.bytes.slice(0, writer.size), hasState };
}

const anyBytes = fc.uint8Array({ maxLength: 20 });
const anyWrite = fc.oneof(
  fc.record({
    kind: fc.constantFrom("entry", "removed"),
    id: fc.integer({ min: 1, max: 3 }),
    index: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(2 ** 40)),
    value: anyBytes,
  }),
  fc.record({
    kind: fc.constantFrom("put", "deleted"),
    table: fc.constantFrom(StoreTable.RECORDS, StoreTable.STATE),
    key: anyBytes,
    value: anyBytes,
  }),
);

test("batch directory: tells every write in order, with its bytes", () => {
  fc.assert(
    fc.property(fc.array(anyWrite, { maxLength: 40 }), (writes) => {
      const batch = new WriteBatch();
      const expected = writes.map((write) => {
        const { kind } = write;
        const value = Buffer.from(write.value).toString("hex");
        if ("id" in write) {
          const key = logKey(write.id, write.index);
          if (kind === "entry") batch.put(StoreTable.LOG, key, write.value);
          else batch.delete(StoreTable.LOG, key);
          return `${kind} ${write.id} ${write.index}${kind === "entry" ? ` ${value}` : ""}`;
        }
        const key = Buffer.from(write.key).toString("hex");
        if (kind === "put") batch.put(write.table, write.key, write.value);
        else batch.delete(write.table, write.key);
        return `${kind} ${write.table} ${key}${kind === "put" ? ` ${value}` : ""}`;
      });
      const { bytes, hasState } = directoryOf(batch);
      assert.deepEqual(told(bytes, batch.memory), expected);
      assert.equal(
        hasState,
        writes.some((write) => "table" in write),
      );
    }),
  );
});

test("batch directory: a run of removed entries takes one line", () => {
  const batch = new WriteBatch();
  for (let index = 5; index < 1005; index++) batch.delete(StoreTable.LOG, logKey(7, index));
  assert.equal(directoryOf(batch).bytes.length, 21);
});

test("batch directory: whatever the bytes are, visiting does not throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(1000), (bytes, payloadBytes) => {
      visitDirectory(bytes, payloadBytes, NO_VISITOR);
    }),
    { numRuns: 1000 },
  );
});

test("batch directory: what is cut off, or points beyond the payload, is no directory", () => {
  const writer = new RecordWriter();
  writeEntryLine(writer, 7, 1, { at: 90, size: 10 });
  const bytes = writer.bytes.slice(0, writer.size);
  assert.equal(visitDirectory(bytes, 100, NO_VISITOR), true);
  assert.equal(visitDirectory(bytes, 99, NO_VISITOR), false);
  for (let size = 1; size < bytes.length; size++) {
    assert.equal(visitDirectory(bytes.subarray(0, size), 100, NO_VISITOR), false);
  }
});
