/**
 * Hashes for spreading keys over the worker threads. Not for hash tables that clients can fill with
 * chosen keys, and not for anything stored: the numbers may change with a release.
 */

const FNV_PRIME = 0x01000193;

/** Start value of a hash (FNV-1a). */
export const HASH_START = 0x811c9dc5;

/**
 * Folds the UTF-16 units of `text` and an end mark into `hash`, so that ("a", "bc") and ("ab", "c")
 * differ.
 */
export function hashText(hash: number, text: string): number {
  let folded = hash;
  for (let i = 0; i < text.length; i++) {
    folded = Math.imul(folded ^ text.charCodeAt(i), FNV_PRIME);
  }
  // No text of ours holds U+0000 [MQTT-1.5.4-2].
  return Math.imul(folded, FNV_PRIME);
}

/**
 * 0..count-1. The finalizer of MurmurHash3 spreads every input bit first: keys often differ only in
 * their last digits, and the low bits of plain FNV-1a would send such a series to few threads.
 */
export function spread(hash: number, count: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  mixed ^= mixed >>> 16;
  return (mixed >>> 0) % count;
}
