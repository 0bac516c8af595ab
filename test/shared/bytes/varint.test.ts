/** Variable byte integers: round trip, limits, and forms that are refused. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  readVarint,
  VARINT_INCOMPLETE,
  VARINT_MALFORMED,
  VARINT_MAX,
  varintSize,
  varintSizeOf,
  varintValue,
  writeVarint,
} from "../../../src/shared/bytes/varint.ts";

function roundTrip(value: number): void {
  const content = new Uint8Array(6).fill(0xff);
  const end = writeVarint(content, 1, value);
  assert.equal(end - 1, varintSize(value));
  const result = readVarint(content, 1, end);
  assert.equal(varintValue(result), value);
  assert.equal(varintSizeOf(result), end - 1);
  assert.equal(content[end], 0xff);
  assert.equal(readVarint(content, 1, end - 1), VARINT_INCOMPLETE);
}

test("varint: both ends of each size [MQTT5 §1.5.5 table 1-1]", () => {
  const sizes = [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VARINT_MAX].map(varintSize);
  assert.deepEqual(sizes, [1, 1, 2, 2, 3, 3, 4, 4]);
  for (const value of [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VARINT_MAX]) {
    roundTrip(value);
  }
});

test("varint: reads what it writes [property]", () => {
  fc.assert(fc.property(fc.nat(VARINT_MAX), roundTrip), { numRuns: 1000 });
});

test("varint: longer than the shortest form is malformed [MQTT-1.5.5-1]", () => {
  for (const form of [
    [0x80, 0],
    [0xff, 0],
    [0x80, 0x80, 0],
    [0x81, 0x80, 0x80, 0],
  ]) {
    assert.equal(readVarint(Uint8Array.from(form), 0, form.length), VARINT_MALFORMED);
  }
});

test("varint: a fourth byte that promises more is malformed", () => {
  const content = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1);
  assert.equal(readVarint(content, 0, 5), VARINT_MALFORMED);
  assert.equal(readVarint(content, 0, 3), VARINT_INCOMPLETE);
});
