/**
 * CRC-32 (IEEE 802.3, as in zip and Ethernet): finds torn writes and flipped bits in records of the
 * log and in messages. Not against intent; links are authenticated below.
 *
 * Four bytes a step through four tables ("slicing by 4"): a third of the time of one byte a step.
 */

const POLYNOMIAL = 0xedb88320;

const TABLES = makeTables();

/** Of bytes[start, end), as an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  const [low, second, third, high] = TABLES;
  let crc = 0xffff_ffff;
  let at = start;
  for (const last = end - 3; at < last; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc ^= word;
    crc =
      high[crc & 0xff]! ^
      third[(crc >>> 8) & 0xff]! ^
      second[(crc >>> 16) & 0xff]! ^
      low[crc >>> 24]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ low[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

type Tables = readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** Table n: what a byte does to the sum n bytes later. */
function makeTables(): Tables {
  const low = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    low[byte] = value;
  }
  const next = (table: Uint32Array) => table.map((value) => (value >>> 8) ^ low[value & 0xff]!);
  const second = next(low);
  const third = next(second);
  return [low, second, third, next(third)];
}
