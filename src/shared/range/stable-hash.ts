/**
 * The hash with which keys of inboxes and retained messages begin, so that any tenant's load
 * spreads evenly over ranges, and ranges can be cut at numbers. Its values are stored: they may
 * never change (hash32.ts is for what is not stored).
 *
 * FNV-1a over the UTF-8 bytes of both texts with a zero byte behind each, then the finalizer of
 * MurmurHash3, because names often differ in their last digits only and ranges are cut by the high
 * bits.
 */

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Bytes that a hash takes at the beginning of a key. */
export const HASH_BYTES = 4;
const HASH_SPACE = 2 ** 32;

/** 0..2^32-1 for (tenant, client identifier). Allocates nothing. */
export function stableHash(tenantId: string, name: string): number {
  return finish(foldText(foldText(FNV_START, tenantId), name));
}

/** The same for a name that is there as UTF-8, as topics are. */
export function stableHashOfBytes(tenantId: string, name: Uint8Array): number {
  let folded = foldText(FNV_START, tenantId);
  for (let i = 0; i < name.length; i++) folded = foldByte(folded, name[i]!);
  return finish(foldByte(folded, 0));
}

function finish(folded: number): number {
  let mixed = folded ^ (folded >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  mixed ^= mixed >>> 16;
  return mixed >>> 0;
}

/** Writes `hash` at bytes[at ..], most significant byte first, so that keys sort by it. */
export function putHash(bytes: Uint8Array, at: number, hash: number): void {
  bytes[at] = hash >>> 24;
  bytes[at + 1] = hash >>> 16;
  bytes[at + 2] = hash >>> 8;
  bytes[at + 3] = hash;
}

/**
 * The key that halves [start, end), two keys that begin with hashes; null when there is nothing
 * between them.
 */
export function middleHash(start: Uint8Array, end: Uint8Array | null): Uint8Array | null {
  const low = hashOf(start);
  const high = end === null ? HASH_SPACE : hashOf(end);
  const middle = low + Math.floor((high - low) / 2);
  if (middle <= low) return null;
  const key = new Uint8Array(HASH_BYTES);
  putHash(key, 0, middle);
  return key;
}

/** The hash that a key begins with; bytes that are not there count as 0. */
function hashOf(key: Uint8Array): number {
  let hash = 0;
  for (let i = 0; i < HASH_BYTES; i++) hash = hash * 256 + (key[i] ?? 0);
  return hash;
}

function foldText(hash: number, text: string): number {
  let folded = hash;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      folded = Math.imul(folded ^ unit, FNV_PRIME);
      continue;
    }
    const point = text.codePointAt(i)!;
    if (point > 0xffff) i += 1;
    folded = foldPoint(folded, point);
  }
  // The end mark: no text of ours holds U+0000 [MQTT-1.5.4-2], so ("a", "bc") is not ("ab", "c").
  return Math.imul(folded, FNV_PRIME);
}

/** The UTF-8 bytes of a code point above U+007F. */
function foldPoint(hash: number, point: number): number {
  let folded = hash;
  if (point < 0x800) {
    folded = foldByte(folded, 0xc0 | (point >> 6));
  } else if (point < 0x10000) {
    folded = foldByte(folded, 0xe0 | (point >> 12));
    folded = foldByte(folded, 0x80 | ((point >> 6) & 0x3f));
  } else {
    folded = foldByte(folded, 0xf0 | (point >> 18));
    folded = foldByte(folded, 0x80 | ((point >> 12) & 0x3f));
    folded = foldByte(folded, 0x80 | ((point >> 6) & 0x3f));
  }
  return foldByte(folded, 0x80 | (point & 0x3f));
}

function foldByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, FNV_PRIME);
}
