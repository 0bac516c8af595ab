/**
 * Variable byte integers (MQTT5 §1.5.5): seven bits a byte, lowest first, the top bit says "more".
 * One to four bytes, 0..268,435,455, always in the shortest form [MQTT-1.5.5-1].
 *
 * The reader returns value and size in one number, because an object per integer would cost forty
 * bytes of heap: value * 8 + size, exact in a double. Thread: any. Nothing here allocates.
 */

/** `readVarint`: the bytes end inside the integer. */
export const VARINT_INCOMPLETE = -1;
/** `readVarint`: longer than four bytes, or not the shortest form. */
export const VARINT_MALFORMED = -2;

/** 268,435,455: four times seven bits. */
export const VARINT_MAX = 0x0fff_ffff;

const SIZE_FACTOR = 8;

/**
 * Reads at `at`, never at or beyond `end`. Negative: see above; else take apart with the two
 * functions below.
 */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let digit = 0; digit < 4; digit++) {
    if (at + digit >= end) return VARINT_INCOMPLETE;
    const byte = bytes[at + digit]!;
    value |= (byte & 0x7f) << (7 * digit);
    if (byte < 0x80) {
      // A zero as last of several bytes adds nothing, so a shorter form exists [MQTT-1.5.5-1].
      if (byte === 0 && digit > 0) return VARINT_MALFORMED;
      return value * SIZE_FACTOR + digit + 1;
    }
  }
  return VARINT_MALFORMED;
}

/** The integer in a non-negative result of `readVarint`. */
export function varintValue(result: number): number {
  return Math.floor(result / SIZE_FACTOR);
}

/** Bytes that a non-negative result of `readVarint` took, 1..4. */
export function varintSizeOf(result: number): number {
  return result % SIZE_FACTOR;
}

/** Bytes that `value` (0..VARINT_MAX) takes. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/** Writes `value` (0..VARINT_MAX) in its shortest form; returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}
