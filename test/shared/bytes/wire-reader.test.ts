import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { WireReader } from "../../../src/shared/bytes/wire-reader.ts";

test("wire reader: reads what a record writer wrote", () => {
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.nat(0xffff),
      fc.nat(0xffff_ffff),
      fc.maxSafeNat(),
      (u8, u16, u32, u64) => {
        const writer = new RecordWriter();
        writer.u8(u8);
        writer.u16(u16);
        writer.u32(u32);
        writer.u64(u64);
        const reader = new WireReader(writer.bytes, 0, writer.size);
        assert.deepEqual(
          [reader.u8(), reader.u16(), reader.u32(), reader.u64()],
          [u8, u16, u32, u64],
        );
        assert.ok(reader.isAtEnd && !reader.isMalformed);
      },
    ),
  );
});

test("wire reader: text of any Unicode, without U+0000", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const bytes = new TextEncoder().encode(text);
      const reader = new WireReader(bytes);
      const read = reader.text(bytes.length);
      if (text.includes("\u0000")) assert.ok(reader.isMalformed);
      else assert.equal(read, text);
    }),
  );
  const broken = new WireReader(Uint8Array.of(0xc3, 0x28));
  assert.equal(broken.text(2), "");
  assert.ok(broken.isMalformed);
});

test("wire reader: after the first field that does not fit, nothing is read any more", () => {
  const reader = new WireReader(Uint8Array.of(1, 2, 3));
  assert.equal(reader.u8(), 1);
  assert.equal(reader.u32(), 0);
  assert.ok(reader.isMalformed && reader.isAtEnd);
  assert.equal(reader.remaining, 0);
  assert.equal(reader.u8(), 0, "two bytes are left, but no longer trusted");
  assert.equal(reader.u16(), 0);
  assert.equal(reader.u64(), 0);
  assert.equal(reader.raw(1).length, 0);
  assert.equal(reader.text(1), "");
});

test("wire reader: a u64 that no double holds exactly is malformed", () => {
  const largest = new WireReader(Uint8Array.of(255, 255, 255, 255, 255, 255, 0x1f, 0));
  assert.equal(largest.u64(), Number.MAX_SAFE_INTEGER);
  const above = new WireReader(Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0));
  assert.equal(above.u64(), 0);
  assert.ok(above.isMalformed);
});

test("wire reader: stays inside its window, and raw bytes are a copy", () => {
  const bytes = Uint8Array.of(9, 1, 2, 9);
  const reader = new WireReader(bytes, 1, 3);
  const raw = reader.raw(2);
  bytes.fill(0);
  assert.deepEqual([...raw], [1, 2]);
  assert.ok(reader.isAtEnd && !reader.isMalformed);
  assert.equal(reader.u8(), 0);
  assert.ok(reader.isMalformed);
  const refused = new WireReader(bytes);
  refused.refuse();
  assert.ok(refused.isMalformed);
});
