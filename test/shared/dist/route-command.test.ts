/** Route records: what is read is what was written. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import {
  RouteOp,
  readRouteRecord,
  writeRouteRecord,
} from "../../../src/shared/dist/route-command.ts";

const text = fc.string({ unit: "grapheme", maxLength: 80 });
const anyChange = fc.record(
  {
    op: fc.constantFrom(...Object.values(RouteOp)),
    tenantId: text,
    filter: text,
    group: text,
    isOrdered: fc.boolean(),
    isOnline: fc.boolean(),
    clientId: text,
    qos: fc.nat(2),
    noLocal: fc.boolean(),
    retainAsPublished: fc.boolean(),
    subscriptionIdentifier: fc.nat(268_435_455),
    slot: fc.nat(0xffff_ffff),
    generation: fc.nat(0xffff_ffff),
    incarnation: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
);

test("route record: reading gives back what was written", () => {
  const writer = new RecordWriter();
  const reader = new RecordReader();
  fc.assert(
    fc.property(
      fc.array(anyChange, { maxLength: 20 }),
      fc.nat(Number.MAX_SAFE_INTEGER),
      (changes, sequence) => {
        writer.clear();
        writeRouteRecord(writer, changes, sequence);
        const memory = new Uint8Array(new SharedArrayBuffer(writer.size + 9));
        memory.set(writer.bytes.subarray(0, writer.size), 5);
        reader.reset(memory, 5, writer.size);
        const record = readRouteRecord(reader);
        reader.release();
        memory.fill(0xee);
        assert.deepEqual(record, { sequence, changes });
      },
    ),
  );
});

test("route record: a record that is cut short is a bug and says so", () => {
  const writer = new RecordWriter();
  const change = fc.sample(anyChange, { numRuns: 1, seed: 1 })[0]!;
  writeRouteRecord(writer, [change], 1);
  const reader = new RecordReader();
  for (let size = 9; size < writer.size; size += 1) {
    reader.reset(writer.bytes, 0, size);
    assert.throws(() => readRouteRecord(reader), /record is as long as its fields say/);
  }
});
