/**
 * What the generator writes into every payload, so that every delivery can be checked for itself:
 *
 *   0           4          8       12      16               payloadBytes
 *   | publisher | sequence | sent  | check | filler ...       |      all numbers big-endian, 32 bits
 *
 * sent     microseconds of the monotonic clock, modulo 2^32 (71 minutes): when it was *meant* to be sent
 * check    a mix of the three words before it and of the payload's length
 * filler   a fixed pattern of printable characters
 *
 * The check word and the last byte are verified on every delivery, the whole filler on every
 * sixteenth sequence number: reading 4 KiB each time would make the generator the bottleneck of
 * what it measures.
 */

export const PAYLOAD_HEADER_BYTES = 16;

const SEQUENCE_OFFSET = 4;
const SENT_OFFSET = 8;
const CHECK_OFFSET = 12;
/** Sequence numbers whose low bits are zero have their filler compared in full. */
const FULL_CHECK_MASK = 15;
const FIRST_PRINTABLE = 33;
const PRINTABLES = 90;
const UINT32 = 2 ** 32;

let pattern: Buffer = Buffer.alloc(0);

function fillerPattern(size: number): Buffer {
  if (pattern.length < size) {
    pattern = Buffer.alloc(Math.max(size, 4096));
    for (let index = 0; index < pattern.length; index += 1) {
      pattern[index] = FIRST_PRINTABLE + ((index * 7) % PRINTABLES);
    }
  }
  return pattern;
}

/** A payload of at least PAYLOAD_HEADER_BYTES whose header is still to be written. */
export function blankPayload(size: number): Buffer {
  const payload = Buffer.alloc(Math.max(size, PAYLOAD_HEADER_BYTES));
  fillerPattern(payload.length).copy(payload, PAYLOAD_HEADER_BYTES, PAYLOAD_HEADER_BYTES);
  return payload;
}

function checkWord(publisher: number, sequence: number, sent: number, size: number): number {
  let mix = Math.imul(publisher ^ 0x9e37_79b9, 0x85eb_ca6b);
  mix = Math.imul((mix ^ (mix >>> 15)) + sequence, 0xc2b2_ae35);
  mix = Math.imul((mix ^ (mix >>> 13)) + sent, 0x27d4_eb2f);
  return (mix ^ (mix >>> 16) ^ size) >>> 0;
}

/** Writes the header of a payload of `size` bytes that begins at `offset`. */
export function writePayloadHeader(
  bytes: Uint8Array,
  offset: number,
  header: { publisher: number; sequence: number; sentMicros: number },
  size: number,
): void {
  const { publisher, sequence } = header;
  const sent = (header.sentMicros % UINT32) >>> 0;
  writeUint32(bytes, offset, publisher);
  writeUint32(bytes, offset + SEQUENCE_OFFSET, sequence);
  writeUint32(bytes, offset + SENT_OFFSET, sent);
  writeUint32(bytes, offset + CHECK_OFFSET, checkWord(publisher, sequence, sent, size));
}

export function payloadPublisher(bytes: Uint8Array, offset: number): number {
  return readUint32(bytes, offset);
}

export function payloadSequence(bytes: Uint8Array, offset: number): number {
  return readUint32(bytes, offset + SEQUENCE_OFFSET);
}

/** When it was meant to be sent, modulo 2^32. */
export function payloadSentWord(bytes: Uint8Array, offset: number): number {
  return readUint32(bytes, offset + SENT_OFFSET);
}

/**
 * Microseconds from the intended sending to `nowMicros`; clocks of two cores may differ a little,
 * never below 0.
 */
export function ageOf(sentWord: number, nowMicros: number): number {
  const now = (nowMicros % UINT32) >>> 0;
  const age = (now - sentWord) >>> 0;
  return age < UINT32 / 2 ? age : 0;
}

export function payloadAgeMicros(bytes: Uint8Array, offset: number, nowMicros: number): number {
  return ageOf(payloadSentWord(bytes, offset), nowMicros);
}

/** True when bytes[offset..end) is a payload of `size` bytes as this generator writes them. */
export function isPayloadIntact(
  bytes: Uint8Array,
  offset: number,
  end: number,
  size: number,
): boolean {
  if (end - offset !== size) return false;
  const publisher = readUint32(bytes, offset);
  const sequence = readUint32(bytes, offset + SEQUENCE_OFFSET);
  const sent = readUint32(bytes, offset + SENT_OFFSET);
  if (readUint32(bytes, offset + CHECK_OFFSET) !== checkWord(publisher, sequence, sent, size)) {
    return false;
  }
  if (size === PAYLOAD_HEADER_BYTES) return true;
  if ((sequence & FULL_CHECK_MASK) === 0) return isFillerIntact(bytes, offset, size);
  return bytes[end - 1] === fillerPattern(size)[size - 1];
}

function isFillerIntact(bytes: Uint8Array, offset: number, size: number): boolean {
  const wanted = fillerPattern(size);
  const start = offset + PAYLOAD_HEADER_BYTES;
  return wanted.compare(bytes, start, offset + size, PAYLOAD_HEADER_BYTES, size) === 0;
}

function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

function readUint32(bytes: Uint8Array, offset: number): number {
  const high = bytes[offset]! << 24;
  return (high | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
}
