/**
 * Keys of retained messages in their ranges. The hash comes first, so that ranges cut anywhere
 * share the load evenly, also with one tenant.
 *
 *     u32 BE hash of tenant and topic | u16 BE size | tenant | topic
 *     u32 BE hash of tenant and topic | u16 BE size | tenant | 0x00 | u64 BE number    topics that do not fit
 *     u32 BE hash where the range begins | 0xFFFF | u64 BE publisher                   what it may send again
 *
 * No topic holds U+0000 [MQTT-4.7.3-2], so the two never meet. A stored format.
 */

import { assert } from "../base/assert.ts";
import { HASH_BYTES, putHash, stableHashOfBytes } from "../range/stable-hash.ts";

/** Keys end at 1,900 bytes; tenants are short. */
const TOPIC_IN_KEY_MAX = 1_500;
const TENANT_MAX = 256;
const PREFIX_SIZE = 6;
const NUMBER_SIZE = 9;
/** No tenant is so long. */
const REPEAT_MARK = 0xffff;
const PUBLISHER_SIZE = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface RetainKey {
  readonly tenantId: string;
  /** Null: the topic stands in the value. */
  readonly topic: Uint8Array | null;
  /** 0 unless the topic stands in the value. */
  readonly number: number;
}

/** True when such a key needs a number instead of its topic. */
export function needsNumber(topic: Uint8Array): boolean {
  return topic.length > TOPIC_IN_KEY_MAX;
}

/** `number`: 0 unless `needsNumber`. */
export function retainKey(tenantId: string, topic: Uint8Array, number: number): Uint8Array {
  const tenant = encoder.encode(tenantId);
  assert(tenant.length <= TENANT_MAX, "tenant identifiers are short");
  assert(number > 0 === needsNumber(topic), "long topics have numbers, others none");
  const base = PREFIX_SIZE + tenant.length;
  const key = new Uint8Array(base + (number > 0 ? NUMBER_SIZE : topic.length));
  const view = new DataView(key.buffer);
  putHash(key, 0, stableHashOfBytes(tenantId, topic));
  view.setUint16(4, tenant.length);
  key.set(tenant, PREFIX_SIZE);
  if (number > 0) view.setBigUint64(base + 1, BigInt(number));
  else key.set(topic, base);
  return key;
}

/** The key by which a topic's range is found. */
export function retainRangeKey(tenantId: string, topic: Uint8Array): Uint8Array {
  const key = new Uint8Array(HASH_BYTES);
  putHash(key, 0, stableHashOfBytes(tenantId, topic));
  return key;
}

/** Of what a publisher may send again, in a range that begins with `start`. */
export function repeatKey(start: Uint8Array, publisher: number): Uint8Array {
  const key = repeatPrefix(start, PUBLISHER_SIZE);
  new DataView(key.buffer).setBigUint64(PREFIX_SIZE, BigInt(publisher));
  return key;
}

/** All of a range: [start, end). */
export function repeatKeys(start: Uint8Array): [Uint8Array, Uint8Array] {
  const end = repeatPrefix(start, PUBLISHER_SIZE + 1);
  end.fill(0xff, PREFIX_SIZE);
  return [repeatPrefix(start, 0), end];
}

/** 0: the key is none of those. */
export function publisherOfRepeatKey(key: Uint8Array): number {
  if (key.length !== PREFIX_SIZE + PUBLISHER_SIZE) return 0;
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return view.getUint16(4) === REPEAT_MARK ? Number(view.getBigUint64(PREFIX_SIZE)) : 0;
}

function repeatPrefix(start: Uint8Array, more: number): Uint8Array {
  const key = new Uint8Array(PREFIX_SIZE + more);
  key.set(start.subarray(0, HASH_BYTES));
  new DataView(key.buffer).setUint16(HASH_BYTES, REPEAT_MARK);
  return key;
}

/** Null unless these are the bytes of such a key. */
export function readRetainKey(key: Uint8Array): RetainKey | null {
  if (key.length <= PREFIX_SIZE) return null;
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const base = PREFIX_SIZE + view.getUint16(4);
  if (base >= key.length) return null;
  const tenantId = decoder.decode(key.subarray(PREFIX_SIZE, base));
  if (key[base] !== 0) return { tenantId, topic: key.subarray(base), number: 0 };
  if (key.length !== base + NUMBER_SIZE) return null;
  return { tenantId, topic: null, number: Number(view.getBigUint64(base + 1)) };
}
