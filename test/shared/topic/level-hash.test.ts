/** The keyed hash against the published vectors, and what makes it worth its price. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FIXED_HASH_KEY, hashLevel, wordAt } from "../../../src/shared/topic/level-hash.ts";
import { utf8 } from "./topics.ts";

/**
 * HalfSipHash-1-3 of the bytes 0, 1, .. n-1 under the key 0, 1, .. 7 for n = 0..16: the Linux
 * kernel's self-test.
 */
const VECTORS = [
  0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6,
  0x577999b1, 0xc839caed, 0xe4fa32cf, 0x959246ee, 0x6b28096c, 0x66dd9cd6, 0x16658a7c, 0xd0257b04,
  0x8b31d501,
];

function hash(bytes: Uint8Array, offset: number, length: number): number {
  return hashLevel(bytes, offset, length, FIXED_HASH_KEY.word0, FIXED_HASH_KEY.word1) >>> 0;
}

test("level hash: equals HalfSipHash-1-3, wherever the bytes stand", () => {
  for (let shift = 0; shift < 5; shift++) {
    const bytes = Uint8Array.from({ length: 64 }, (_, index) => index - shift);
    VECTORS.forEach((expected, length) => {
      assert.equal(hash(bytes, shift, length), expected, `${length} bytes from ${shift}`);
    });
  }
});

test("level hash: another key, another hash", () => {
  const bytes = utf8("device");
  assert.notEqual(hashLevel(bytes, 0, 6, 1, 2), hashLevel(bytes, 0, 6, 1, 3));
  assert.notEqual(hashLevel(bytes, 0, 6, 1, 2), hashLevel(bytes, 0, 6, 2, 2));
});

test("level hash: 65,536 numbered levels fill 65,536 buckets as chance would", () => {
  const count = 65_536;
  const used = new Set<number>();
  for (let index = 0; index < count; index++) {
    const level = utf8(String(index));
    used.add(hash(level, 0, level.length) & (count - 1));
  }
  // Chance leaves 1/e of the buckets empty: 41,427 used. 400 is more than three standard deviations
  // (about 80).
  assert.ok(Math.abs(used.size - count * (1 - 1 / Math.E)) < 400, `${used.size} buckets used`);
});

test("level word: little-endian, zero beyond the end", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 0xff);
  assert.equal(wordAt(bytes, 0, 5), 0x04030201);
  assert.equal(wordAt(bytes, 1, 5), 0xff040302 | 0);
  assert.equal(wordAt(bytes, 2, 5), 0x00ff0403);
  assert.equal(wordAt(bytes, 4, 5), 0xff);
  assert.equal(wordAt(bytes, 2, 4), 0x0403);
  assert.equal(wordAt(bytes, 3, 3), 0);
});
