/**
 * The ranges that a node begins with: the inbox and retain services cut evenly by hash, one range
 * per store, so that a cold node does not stall while ranges split under load; one dist range.
 *
 *   id                 service   keys                               store
 *   1                  dist      everything                         1
 *   2 .. S+1           inbox     [(k-1)/S, k/S) of the hash space   k = 1..S
 *   S+2 .. 2S+1        retain    the same                           k
 *
 * Range 1 is created last and is there for ever after: it begins at the first key, so it is never
 * the right-hand side of a merge. Hence a node that has range 1, readable or not, has been
 * bootstrapped. Ranges of different stores are never merged: which store holds which key is settled
 * here for good.
 */

import { NO_BYTES } from "../bytes/copy-bytes.ts";
import { NO_RANGE, type RangeDescriptor, type RangeId } from "./range-descriptor.ts";
import { ServiceId } from "./service-id.ts";
import { HASH_BYTES, putHash } from "./stable-hash.ts";

/** Exists once the node has all its first ranges. */
export const FOUNDING_RANGE: RangeId = 1;

const HASH_SPACE = 2 ** 32;

/** In the order in which they are created. */
export function bootstrapPlan(storeCount: number): RangeDescriptor[] {
  const ranges: RangeDescriptor[] = [];
  for (const [at, service] of [ServiceId.INBOX, ServiceId.RETAIN].entries()) {
    for (let store = 1; store <= storeCount; store++) {
      ranges.push({
        ...firstRange(FOUNDING_RANGE + at * storeCount + store, service, store),
        start: hashKey(store - 1, storeCount) ?? NO_BYTES,
        end: hashKey(store, storeCount),
      });
    }
  }
  ranges.push(firstRange(FOUNDING_RANGE, ServiceId.DIST, 1));
  return ranges;
}

function firstRange(id: RangeId, service: ServiceId, storeId: number): RangeDescriptor {
  return {
    id,
    service,
    start: NO_BYTES,
    end: null,
    boundaryVersion: 1,
    storeId,
    mergingInto: NO_RANGE,
    absorbedId: NO_RANGE,
  };
}

/** Where slice number `slice` begins; null at both ends of the key space. */
function hashKey(slice: number, slices: number): Uint8Array | null {
  if (slice === 0 || slice === slices) return null;
  const key = new Uint8Array(HASH_BYTES);
  putHash(key, 0, Math.floor((slice * HASH_SPACE) / slices));
  return key;
}
