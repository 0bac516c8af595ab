/**
 * The bytes of one ring, drawn once: a SharedArrayBuffer that carries records from one thread to
 * one other.
 *
 *   byte 0     head      position of the next byte to read        written by the consumer
 *   byte 128   tail      position of the next byte to write       written by the producer
 *   byte 256   parked    1: the consumer sleeps, ring its bell    set by the consumer,
 *                                                                 cleared by whoever rings
 *   byte 384   starved   1: the producer sleeps with records      set by the producer,
 *                        that found no room                       cleared by the consumer
 *   byte 512   records   `capacity` bytes, a power of two
 *
 * Header words lie 128 bytes apart: x86 fetches cache lines of 64 bytes in pairs and Apple's cores
 * have lines of 128, so nearer words would make the two threads steal the line from each other.
 * Every word is in host order: no byte of a ring ever leaves the process.
 *
 *   record   0         4         8                 length
 *            +---------+---------+-----------------+---------+
 *            | length  | type    | payload         | unused  |      starts at a multiple of 8
 *            +---------+---------+-----------------+---------+
 *
 * length   header and payload, so at least 8. It is the commit flag: 0 = nothing here yet,
 *          negative = claimed, positive = committed. The producer clears the length word behind a
 *          record before it commits the record, hence the consumer never meets a stale one and
 *          never writes to record memory.
 * type     low byte: record type, 0 = padding. Above it the part flags.
 *
 * A record is never split by the end of the memory: a padding record fills up what is left, and the
 * record starts at 0. A message larger than a claim travels as parts: FIRST, ..., LAST, in one
 * direction never interleaved with other records. The payload of the first part begins with the
 * size of the whole message, four bytes.
 *
 * Positions are 32-bit integers that wrap; only their differences and low bits mean something.
 */

import { assert } from "../base/assert.ts";

const WORD_SIZE = Int32Array.BYTES_PER_ELEMENT;
const LINE_PAIR_SIZE = 128;

/** Header words as indexes into an Int32Array over the ring. */
export const HEAD_WORD = 0;
export const TAIL_WORD = LINE_PAIR_SIZE / WORD_SIZE;
export const PARKED_WORD = (2 * LINE_PAIR_SIZE) / WORD_SIZE;
export const STARVED_WORD = (3 * LINE_PAIR_SIZE) / WORD_SIZE;

/** Byte at which record memory begins. */
export const RECORDS_OFFSET = 4 * LINE_PAIR_SIZE;

export const RECORD_HEADER_SIZE = 8;
export const RECORD_ALIGNMENT = 8;

/** Type of the record that fills the memory up to its end. */
export const PADDING_TYPE = 0;
/** Application types are 1..MAX_RECORD_TYPE. */
export const MAX_RECORD_TYPE = 0xff;

/** Set in every part of a large message; FIRST and LAST mark the ends. */
export const PART_FLAG = 0x100;
export const FIRST_FLAG = 0x200;
export const LAST_FLAG = 0x400;

/** The size of the whole message at the beginning of its first part. */
export const PART_PREFIX_SIZE = 4;

/**
 * Bytes of the largest message a ring carries in parts: an MQTT packet has at most 256 MiB (MQTT5
 * §2.1.4), and as much again for what a command puts around it.
 */
export const MAX_MESSAGE_SIZE = 512 * 1024 * 1024;

/**
 * Default for the bytes in a sender's queue beyond which somebody ignores congestion: that is a
 * bug, and better one dead thread than a process without memory. Eight of the largest messages,
 * because one duty cycle may complete several large packets that were read before the first of them
 * caused congestion.
 */
export const QUEUE_LIMIT_BYTES = 8 * MAX_MESSAGE_SIZE;

/** 128: a quarter must hold a record header, a part prefix and some payload. */
export const MIN_RING_CAPACITY = 128;
/** 1 GiB: the difference of two positions must fit in 31 bits. */
export const MAX_RING_CAPACITY = 1024 * 1024 * 1024;

/** Bytes that a record with `payloadSize` bytes of payload takes in the ring. */
export function recordSize(payloadSize: number): number {
  return (RECORD_HEADER_SIZE + payloadSize + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT;
}

/**
 * Largest payload of one claim: a record takes at most a quarter of the ring, so that the parts of
 * a message overlap.
 */
export function maxClaimSize(capacity: number): number {
  return capacity / 4 - RECORD_HEADER_SIZE;
}

/**
 * Bytes in a sender's queue above which it should read no more publishers: as much again as the
 * ring holds. One full ring says that the consumer is a duty cycle behind; two say that it is not
 * keeping up.
 */
export function congestionBytes(capacity: number): number {
  return capacity;
}

/**
 * Allocates an empty ring of `capacity` record bytes, a power of two. Its consumer counts as parked
 * until its first drain, so the first record rings a bell even if that thread is only just
 * starting.
 */
export function createRing(capacity: number): SharedArrayBuffer {
  assertCapacity(capacity);
  const ring = new SharedArrayBuffer(RECORDS_OFFSET + capacity);
  new Int32Array(ring)[PARKED_WORD] = 1;
  return ring;
}

/** Record bytes of a ring. Asserts that `ring` can be one. */
export function ringCapacity(ring: SharedArrayBuffer): number {
  const capacity = ring.byteLength - RECORDS_OFFSET;
  assertCapacity(capacity);
  return capacity;
}

function assertCapacity(capacity: number): void {
  assert(
    capacity >= MIN_RING_CAPACITY && capacity <= MAX_RING_CAPACITY,
    "ring: capacity out of range",
  );
  assert((capacity & (capacity - 1)) === 0, "ring: capacity is not a power of two");
}
