/**
 * Keyed hash of one topic level: HalfSipHash-1-3. Clients choose the levels, so a fixed hash would
 * let one of them put all of its levels into one bucket and make every lookup of the worker a long
 * walk; with a secret key it cannot.
 *
 * Rejected: FNV-1a, one multiplication per byte, half the cost for short levels, and collisions
 * that anyone can compute. Thread: any.
 */

/** Two 32-bit words, drawn at random once per process; a fixed key is for tests. */
export interface HashKey {
  readonly word0: number;
  readonly word1: number;
}

/** For tests and benchmarks, where the same run must give the same layout. */
export const FIXED_HASH_KEY: HashKey = Object.freeze({ word0: 0x0302_0100, word1: 0x0706_0504 });

/** Rounds after the last word: the 3 of HalfSipHash-1-3. */
const FINAL_ROUNDS = 3;

/**
 * Bytes at..at+3 of bytes[.., end) as one little-endian word; bytes from `end` on count as zero.
 * Levels are hashed, stored and compared in these words.
 */
export function wordAt(bytes: Uint8Array, at: number, end: number): number {
  const left = end - at;
  if (left >= 4) {
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }
  let word = left > 0 ? bytes[at]! : 0;
  if (left > 1) word |= bytes[at + 1]! << 8;
  if (left > 2) word |= bytes[at + 2]! << 16;
  return word;
}

/**
 * Hash of bytes[offset, offset + length) as a signed 32-bit integer. O(length), allocates nothing.
 * `word0` and `word1` are the key, passed apart because this runs once per level of every publish.
 */
export function hashLevel(
  bytes: Uint8Array,
  offset: number,
  length: number,
  word0: number,
  word1: number,
): number {
  let v0 = word0 | 0;
  let v1 = word1 | 0;
  let v2 = word0 ^ 0x6c79_6765;
  let v3 = word1 ^ 0x7465_6462;
  const end = offset + length;
  const fullWords = length >>> 2;
  for (let round = 0; round <= fullWords + FINAL_ROUNDS; round++) {
    // The words, then the tail with the length on top, then rounds without input: xor with 0
    // changes nothing.
    let word = 0;
    if (round < fullWords) word = wordAt(bytes, offset + round * 4, end);
    else if (round === fullWords) word = wordAt(bytes, offset + round * 4, end) | (length << 24);
    else if (round === fullWords + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}
