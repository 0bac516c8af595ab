/**
 * Where ranges of a service may be cut. A service finds the range of a key by a shorter one, so a
 * cut must not part what it looks for together. Thread: main.
 */

import { isDistCut } from "../../shared/dist/dist-key.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import { HASH_BYTES } from "../../shared/range/stable-hash.ts";

/** Null: it may be cut at `key`; else why not. */
export function faultOfCut(service: ServiceId, key: Uint8Array): string | null {
  if (service === ServiceId.DIST) {
    return isDistCut(key) ? null : "the long routes of a tenant stay in one range";
  }
  const isHashOnly = key.length <= HASH_BYTES;
  return isHashOnly ? null : `keys of this service are cut at their hash, ${HASH_BYTES} bytes`;
}
