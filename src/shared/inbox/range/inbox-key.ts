/**
 * Keys of an inbox range, and the identifiers of what it holds. A stored format.
 *
 * Sessions are spread over 4,096 buckets by the top bits of the stable hash of (tenant, client
 * identifier). A key begins with the last hash of its bucket, so a range that is cut anywhere in
 * the hash space holds whole buckets:
 *
 *     u32 BE hash | 0xFFFFF · u8 class · u48 BE number · ...
 *
 *     class 1  RANGE    u8 0                   counters of the range          only in the range's
 *                       u8 1 · u32 slot        a tenant's shared bytes        first bucket
 *                       u8 2 · u16 bucket · u48 number   copy of a message that is homed elsewhere
 *                       u8 3 · u16 bucket · u48 number   what a publisher may send again
 *     class 2  HEAD     number                 what is read of every session at start
 *     class 3  OUTBOX   number                 an effect that is owed
 *     class 4  MESSAGE  number · u8 0 body | 1 count of references, when it has changed
 *     class 5  SESSION  number · u8 part · u48 sequence | u32 | u16
 *
 * Within a bucket everything that a start reads comes first, so it costs one read per bucket,
 * however long the queues behind are. Names stand in values: client identifiers may be longer than
 * keys.
 *
 * An identifier is number × 4,096 + bucket, with numbers that grow in each range and are never used
 * twice in a bucket, also across splits and merges. A session's identifier is its incarnation.
 */

import { stableHash } from "../../range/stable-hash.ts";

const BUCKET_SHIFT = 20;
const BUCKET_COUNT = 0x1000;
const LOW_BITS = 0xf_ffff;
const TWO_POW_32 = 0x1_0000_0000;

const CLASS_AT = 4;
const NUMBER_AT = 5;
const AFTER_NUMBER = 11;

const KeyClass = { RANGE: 1, HEAD: 2, OUTBOX: 3, MESSAGE: 4, SESSION: 5 } as const;
type KeyClass = (typeof KeyClass)[keyof typeof KeyClass];

const RANGE_COUNTERS = 0;
const RANGE_TENANT = 1;
const RANGE_COPY = 2;
const RANGE_TAKEN = 3;
const MESSAGE_BODY = 0;
const MESSAGE_COUNT = 1;

/** What the store has of one session beside its head; the queue last, because it may be long. */
export const SessionPart = {
  WILL: 1,
  DROPS: 2,
  INBOUND: 3,
  SUBSCRIPTION: 4,
  EXCHANGE: 5,
  CHUNK: 6,
  /** Seldom there, and read by itself. */
  REPLAY: 7,
} as const;
export type SessionPart = (typeof SessionPart)[keyof typeof SessionPart];

/** 0..4095. */
export function bucketOf(tenantId: string, clientId: string): number {
  return stableHash(tenantId, clientId) >>> BUCKET_SHIFT;
}

export function makeId(number: number, bucket: number): number {
  return number * BUCKET_COUNT + bucket;
}

export function bucketOfId(id: number): number {
  return id % BUCKET_COUNT;
}

/** Of no session: sessions are numbered from 1. What is for it concerns the range of the bucket. */
export function nobodyIn(bucket: number): number {
  return makeId(0, bucket);
}

export function isNobody(id: number): boolean {
  return id < BUCKET_COUNT;
}

/** Writes the key by which commands for a bucket find their range; `key` has four bytes. */
export function putRoutingKey(key: Uint8Array, bucket: number): void {
  putU32(key, 0, prefixOf(bucket));
}

/** First bucket of a range that begins at `start`; 4096 when it holds none. */
export function firstBucket(start: Uint8Array): number {
  let hash = 0;
  for (let i = 0; i < CLASS_AT; i++) hash = hash * 256 + (start[i] ?? 0);
  const bucket = hash >>> BUCKET_SHIFT;
  // A longer key than a bucket's own lies inside it; no cut of ours does.
  return start.length > CLASS_AT && hash === prefixOf(bucket) ? bucket + 1 : bucket;
}

/** The bucket behind the last one of a range that ends at `end`. */
export function endBucket(end: Uint8Array | null): number {
  return end === null ? BUCKET_COUNT : firstBucket(end);
}

/** Where to cut so that `bucket` is the first one of the right-hand range. */
export function cutBefore(bucket: number): Uint8Array {
  const key = new Uint8Array(CLASS_AT);
  putU32(key, 0, (bucket << BUCKET_SHIFT) >>> 0);
  return key;
}

export function countersKey(bucket: number): Uint8Array {
  return rangeKey(bucket, RANGE_COUNTERS, 0);
}

export function tenantKey(bucket: number, slot: number): Uint8Array {
  const key = rangeKey(bucket, RANGE_TENANT, 4);
  putU32(key, NUMBER_AT + 1, slot);
  return key;
}

/** Of a message whose home is not in the range that begins with `bucket`. */
export function copyKey(bucket: number, id: number, isCount: boolean): Uint8Array {
  const key = rangeKey(bucket, RANGE_COPY, 9);
  const home = bucketOfId(id);
  key[NUMBER_AT + 1] = home >>> 8;
  key[NUMBER_AT + 2] = home;
  putNumber(key, NUMBER_AT + 3, numberOf(id));
  key[NUMBER_AT + 9] = isCount ? MESSAGE_COUNT : MESSAGE_BODY;
  return key;
}

/** Of a publishing session, in the range that begins with `bucket`. */
export function takenKey(bucket: number, publisher: number): Uint8Array {
  const key = rangeKey(bucket, RANGE_TAKEN, 8);
  const home = bucketOfId(publisher);
  key[NUMBER_AT + 1] = home >>> 8;
  key[NUMBER_AT + 2] = home;
  putNumber(key, NUMBER_AT + 3, numberOf(publisher));
  return key;
}

export function takenKeys(bucket: number): [Uint8Array, Uint8Array] {
  return [rangeKey(bucket, RANGE_TAKEN, 0), rangeKey(bucket, RANGE_TAKEN + 1, 0)];
}

export function publisherOfTakenKey(key: Uint8Array): number {
  const home = key[NUMBER_AT + 1]! * 256 + key[NUMBER_AT + 2]!;
  return makeId(readNumber(key, NUMBER_AT + 3), home);
}

/** All tenants' records of a range: [start, end). */
export function tenantKeys(bucket: number): [Uint8Array, Uint8Array] {
  return [rangeKey(bucket, RANGE_TENANT, 0), rangeKey(bucket, RANGE_COPY, 0)];
}

/** Slot of a tenant's record. */
export function slotOfTenantKey(key: Uint8Array): number {
  return readU32(key, NUMBER_AT + 1);
}

export function copyKeys(bucket: number): [Uint8Array, Uint8Array] {
  return [rangeKey(bucket, RANGE_COPY, 0), rangeKey(bucket, RANGE_COPY + 1, 0)];
}

/** Identifier of the message that a copy's key names; 0 for the key of a count. */
export function idOfCopyKey(key: Uint8Array): number {
  if (key[NUMBER_AT + 9] === MESSAGE_COUNT) return 0;
  const home = key[NUMBER_AT + 1]! * 256 + key[NUMBER_AT + 2]!;
  return makeId(readNumber(key, NUMBER_AT + 3), home);
}

export function headKey(id: number): Uint8Array {
  return numberKey(id, KeyClass.HEAD, 0);
}

export function outboxKey(id: number): Uint8Array {
  return numberKey(id, KeyClass.OUTBOX, 0);
}

export function messageKey(id: number, isCount: boolean): Uint8Array {
  const key = numberKey(id, KeyClass.MESSAGE, 1);
  key[AFTER_NUMBER] = isCount ? MESSAGE_COUNT : MESSAGE_BODY;
  return key;
}

/** Heads and outbox records of one bucket: [start, end). */
export function eagerKeys(bucket: number): [Uint8Array, Uint8Array] {
  return [classKey(bucket, KeyClass.HEAD), classKey(bucket, KeyClass.MESSAGE)];
}

/** Bodies and counts of the messages that are homed in one bucket: [start, end). */
export function messageKeys(bucket: number): [Uint8Array, Uint8Array] {
  return [classKey(bucket, KeyClass.MESSAGE), classKey(bucket, KeyClass.SESSION)];
}

export function isHeadKey(key: Uint8Array): boolean {
  return key[CLASS_AT] === KeyClass.HEAD;
}

export function bucketOfKey(key: Uint8Array): number {
  return (key[0]! << 4) | (key[1]! >>> 4);
}

/** Identifier in a key of class HEAD, OUTBOX or MESSAGE; 0 for the key of a count. */
export function idOfKey(key: Uint8Array): number {
  if (key[CLASS_AT] === KeyClass.MESSAGE && key[AFTER_NUMBER] === MESSAGE_COUNT) return 0;
  return makeId(readNumber(key, NUMBER_AT), bucketOfKey(key));
}

/**
 * The number of the identifier in a key; 0 for keys of the range itself, which name none of its
 * own.
 */
export function numberInKey(key: Uint8Array): number {
  return key[CLASS_AT] === KeyClass.RANGE ? 0 : readNumber(key, NUMBER_AT);
}

/** The key of a part that a session has once. */
export function partKey(id: number, part: SessionPart): Uint8Array {
  const key = numberKey(id, KeyClass.SESSION, 1);
  key[AFTER_NUMBER] = part;
  return key;
}

export function subscriptionKey(id: number, slot: number): Uint8Array {
  const key = numberKey(id, KeyClass.SESSION, 5);
  key[AFTER_NUMBER] = SessionPart.SUBSCRIPTION;
  putU32(key, AFTER_NUMBER + 1, slot);
  return key;
}

export function exchangeKey(id: number, packetId: number): Uint8Array {
  const key = numberKey(id, KeyClass.SESSION, 3);
  key[AFTER_NUMBER] = SessionPart.EXCHANGE;
  key[AFTER_NUMBER + 1] = packetId >>> 8;
  key[AFTER_NUMBER + 2] = packetId;
  return key;
}

/** `sequence` of the chunk's first message. */
export function chunkKey(id: number, sequence: number): Uint8Array {
  const key = numberKey(id, KeyClass.SESSION, 7);
  key[AFTER_NUMBER] = SessionPart.CHUNK;
  putNumber(key, AFTER_NUMBER + 1, sequence);
  return key;
}

/** The filter of a replay stands in row 0, topics in those behind. */
export function replayKey(id: number, row: number): Uint8Array {
  const key = numberKey(id, KeyClass.SESSION, 5);
  key[AFTER_NUMBER] = SessionPart.REPLAY;
  putU32(key, AFTER_NUMBER + 1, row);
  return key;
}

/** All rows of a replay, and no others: [start, end). */
export function replayKeys(id: number): [Uint8Array, Uint8Array] {
  const end = numberKey(id, KeyClass.SESSION, 1);
  end[AFTER_NUMBER] = SessionPart.REPLAY + 1;
  return [partKey(id, SessionPart.REPLAY), end];
}

export function partOf(key: Uint8Array): SessionPart {
  return key[AFTER_NUMBER] as SessionPart;
}

/** Slot of a subscription's key. */
export function slotOf(key: Uint8Array): number {
  return readU32(key, AFTER_NUMBER + 1);
}

export function packetIdOf(key: Uint8Array): number {
  return key[AFTER_NUMBER + 1]! * 256 + key[AFTER_NUMBER + 2]!;
}

export function sequenceOf(key: Uint8Array): number {
  return readNumber(key, AFTER_NUMBER + 1);
}

/** What it was made of, beside the bucket. */
export function numberOf(id: number): number {
  return Math.floor(id / BUCKET_COUNT);
}

function prefixOf(bucket: number): number {
  return ((bucket << BUCKET_SHIFT) | LOW_BITS) >>> 0;
}

function classKey(bucket: number, keyClass: KeyClass): Uint8Array {
  const key = new Uint8Array(NUMBER_AT);
  putU32(key, 0, prefixOf(bucket));
  key[CLASS_AT] = keyClass;
  return key;
}

function rangeKey(bucket: number, kind: number, more: number): Uint8Array {
  const key = new Uint8Array(NUMBER_AT + 1 + more);
  putU32(key, 0, prefixOf(bucket));
  key[CLASS_AT] = KeyClass.RANGE;
  key[NUMBER_AT] = kind;
  return key;
}

function numberKey(id: number, keyClass: KeyClass, more: number): Uint8Array {
  const key = new Uint8Array(AFTER_NUMBER + more);
  putU32(key, 0, prefixOf(bucketOfId(id)));
  key[CLASS_AT] = keyClass;
  putNumber(key, NUMBER_AT, numberOf(id));
  return key;
}

function putNumber(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_POW_32);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  putU32(bytes, at + 2, value % TWO_POW_32);
}

function readNumber(bytes: Uint8Array, at: number): number {
  return (bytes[at]! * 256 + bytes[at + 1]!) * TWO_POW_32 + readU32(bytes, at + 2);
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    bytes[at]! * 0x1_00_00_00 + (bytes[at + 1]! << 16) + (bytes[at + 2]! << 8) + bytes[at + 3]!
  );
}
