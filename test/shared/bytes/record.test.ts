/**
 * Record writer and reader: what goes in comes out, and a record that is too short or too long is a
 * bug.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AssertionError } from "../../../src/shared/base/assert.ts";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";

type Field =
  | { readonly kind: "u8" | "u16" | "u32" | "u64"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "blob"; readonly value: Uint8Array };

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant("u8" as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant("u16" as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ kind: fc.constant("u64" as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant("text" as const), value: fc.string({ unit: "binary" }) }),
  fc.record({ kind: fc.constant("text" as const), value: fc.string({ maxLength: 200 }) }),
  fc.record({ kind: fc.constant("blob" as const), value: fc.uint8Array({ maxLength: 700 }) }),
);

function write(writer: RecordWriter, one: Field): void {
  if (one.kind === "text") writer.text(one.value);
  else if (one.kind === "blob") writer.blob(one.value);
  else writer[one.kind](one.value);
}

function filled(fields: readonly Field[]): RecordWriter {
  const writer = new RecordWriter(4);
  for (const one of fields) write(writer, one);
  return writer;
}

test("record: fields come out as they went in, out of shared memory at any offset", () => {
  const reader = new RecordReader();
  fc.assert(
    fc.property(fc.array(field, { maxLength: 30 }), fc.nat(9), (fields, offset) => {
      const writer = filled(fields);
      const memory = new Uint8Array(new SharedArrayBuffer(writer.size + offset + 3));
      memory.set(writer.bytes.subarray(0, writer.size), offset);
      reader.reset(memory, offset, writer.size);
      const seen = fields.map(({ kind }) => reader[kind]());
      assert.ok(reader.isAtEnd);
      reader.release();
      memory.fill(0xee);
      assert.deepEqual(
        seen,
        fields.map(({ value }) => value),
      );
    }),
  );
});

test("record: any record cut short is an assertion, never a wrong value", () => {
  const reader = new RecordReader();
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 5 }), fc.nat(), (fields, cut) => {
      const writer = filled(fields);
      const size = cut % writer.size;
      reader.reset(writer.bytes, 0, size);
      assert.throws(() => {
        for (const { kind } of fields) reader[kind]();
      }, AssertionError);
    }),
  );
});

test("record: a record with bytes left over is an assertion", () => {
  const writer = filled([{ kind: "u16", value: 1 }]);
  const reader = new RecordReader();
  reader.reset(writer.bytes, 0, 2);
  reader.u8();
  assert.throws(() => reader.release(), AssertionError);
});

test("record: repeated short texts come out equal, whatever shares their cache slot", () => {
  const reader = new RecordReader();
  const texts = Array.from(
    { length: 5000 },
    (_, i) => `client-${i % 2000}${i % 3 === 0 ? "é" : ""}`,
  );
  const writer = filled(texts.map((value) => ({ kind: "text", value })));
  reader.reset(writer.bytes, 0, writer.size);
  for (const text of texts) assert.equal(reader.text(), text);
});

test("record: a byte order mark is part of the text [MQTT-1.5.4-3]", () => {
  const writer = filled([{ kind: "text", value: "\uFEFFa" }]);
  const reader = new RecordReader();
  reader.reset(writer.bytes, 0, writer.size);
  assert.equal(reader.text(), "\uFEFFa");
});

test("record: patched fields are overwritten in place", () => {
  const writer = filled([
    { kind: "u8", value: 1 },
    { kind: "u32", value: 2 },
    { kind: "u8", value: 3 },
  ]);
  writer.patchU8(0, 9);
  writer.patchU32(1, 0xffff_ffff);
  const reader = new RecordReader();
  reader.reset(writer.bytes, 0, writer.size);
  assert.deepEqual([reader.u8(), reader.u32(), reader.u8()], [9, 0xffff_ffff, 3]);
  assert.throws(() => writer.patchU32(3, 0), AssertionError);
});

test("record: a writer gives a large burst back", () => {
  const writer = new RecordWriter(16);
  writer.raw(new Uint8Array(1 << 20));
  writer.clear();
  assert.equal(writer.bytes.length, 16);
  assert.equal(writer.size, 0);
});

test("record: a writer that was made large keeps its memory", () => {
  const writer = new RecordWriter(1 << 20);
  const bytes = writer.bytes;
  writer.u8(1);
  writer.clear();
  assert.equal(writer.bytes, bytes);
});

test("record: 64-bit fields take safe integers only", () => {
  const writer = new RecordWriter();
  for (const value of [-1, 1.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => writer.u64(value), AssertionError);
  }
});
