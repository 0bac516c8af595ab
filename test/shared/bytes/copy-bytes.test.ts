/** Copies: the right bytes, nothing beside them, and memory of one's own. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { copyBytes, NO_BYTES, ownedCopy } from "../../../src/shared/bytes/copy-bytes.ts";

const SIZES = [0, 1, 23, 24, 25, 39, 40, 41, 64, 65, 1000];

/** A source that begins inside a larger buffer, as a socket's chunk does. */
function counting(size: number): Buffer {
  const whole = Buffer.alloc(size + 20, 0xee);
  for (let i = 0; i < size; i++) whole[i + 7] = i % 251;
  return whole.subarray(3, size + 13);
}

test("copyBytes: every size copies exactly its range", () => {
  for (const size of SIZES) {
    const source = counting(size);
    const target = new Uint8Array(size + 10).fill(0xaa);
    copyBytes(target, 5, source, 4, size);
    const expected = Array.from({ length: size }, (_, i) => i % 251);
    assert.deepEqual(Array.from(target.subarray(5, 5 + size)), expected);
    assert.ok([...target.subarray(0, 5), ...target.subarray(5 + size)].every((b) => b === 0xaa));
  }
});

test("ownedCopy: a plain array of exact length that does not share the source's memory", () => {
  for (const size of SIZES) {
    const source = counting(size);
    const copy = ownedCopy(source, 4, 4 + size);
    const expected = Array.from({ length: size }, (_, i) => i % 251);
    source.fill(0xdd);
    assert.deepEqual(Array.from(copy), expected);
    assert.equal(copy.constructor, Uint8Array);
    assert.equal(copy.buffer.byteLength, size);
  }
  assert.equal(ownedCopy(counting(4), 4, 4), NO_BYTES);
});
