/**
 * Keys of stored routes in their ranges.
 *
 *     u16 BE size | tenant | u16 BE size | filter | kind | group | 0x00 | client
 *
 * kind: 0 not shared (no group), 1 `$share`, 2 `$oshare`. Filters, groups and client identifiers
 * hold no U+0000 [MQTT-1.5.4-2]. A key that would be longer than keys may be ends after the tenant,
 * with a filter size no filter has and a number; the value says what the key would have said.
 *
 *     u16 BE size | tenant | 0xFFFF | u64 BE number
 *
 * A stored format.
 */

import type { StoredRoute } from "./dist-log-command.ts";

/** Keys end at 1,900 bytes. */
const KEY_MAX = 1_800;
const LONG_MARK = 0xffff;
const NUMBER_BYTES = 8;
const KIND_PLAIN = 0;
const KIND_SHARED = 1;
const KIND_ORDERED = 2;

const encoder = new TextEncoder();

/** The route's place; null when that is too long for a key. */
export function distKey(route: Omit<StoredRoute, "incarnation">): Uint8Array | null {
  const tenant = encoder.encode(route.tenantId);
  const filter = encoder.encode(route.filter);
  const group = encoder.encode(route.group);
  const client = encoder.encode(route.clientId);
  const size = 2 + tenant.length + 2 + filter.length + 1 + group.length + 1 + client.length;
  if (size > KEY_MAX) return null;
  const key = new Uint8Array(size);
  const view = new DataView(key.buffer);
  view.setUint16(0, tenant.length);
  key.set(tenant, 2);
  let at = 2 + tenant.length;
  view.setUint16(at, filter.length);
  key.set(filter, at + 2);
  at += 2 + filter.length;
  key[at] = kindOf(route);
  key.set(group, at + 1);
  key.set(client, at + 1 + group.length + 1);
  return key;
}

/** Where a route stands whose own key would be too long. */
export function longDistKey(tenantId: string, number: number): Uint8Array {
  const tenant = encoder.encode(tenantId);
  const key = new Uint8Array(2 + tenant.length + 2 + NUMBER_BYTES);
  const view = new DataView(key.buffer);
  view.setUint16(0, tenant.length);
  key.set(tenant, 2);
  view.setUint16(2 + tenant.length, LONG_MARK);
  view.setBigUint64(2 + tenant.length + 2, BigInt(number));
  return key;
}

/** 0: not such a key. */
export function numberOfLongKey(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const at = 2 + view.getUint16(0);
  return view.getUint16(at) === LONG_MARK ? Number(view.getBigUint64(at + 2)) : 0;
}

/**
 * The key by which the range of a route is found: its own, or for long ones that of number 0, so
 * that all long routes of a tenant are in one range. Ranges must not be cut between them
 * (`isDistCut`).
 */
export function distRangeKey(route: Omit<StoredRoute, "incarnation">): Uint8Array {
  return distKey(route) ?? longDistKey(route.tenantId, 0);
}

/** False: a range that begins with `key` would have some of a tenant's long routes, not all. */
export function isDistCut(key: Uint8Array): boolean {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  if (key.length < 2) return true;
  const at = 2 + view.getUint16(0);
  if (key.length < at + 2 || view.getUint16(at) !== LONG_MARK) return true;
  const number = key.subarray(at + 2);
  return number.length <= NUMBER_BYTES && number.every((byte) => byte === 0);
}

function kindOf(route: Omit<StoredRoute, "incarnation">): number {
  if (route.group === "") return KIND_PLAIN;
  return route.isOrdered ? KIND_ORDERED : KIND_SHARED;
}
