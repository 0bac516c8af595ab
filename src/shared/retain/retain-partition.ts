/** Which worker keeps the retained message of a topic. */

import { assert } from "../base/assert.ts";
import { HASH_START, hashBytes, hashText, spread } from "../bytes/hash32.ts";

/** Thread 1..workerCount of (tenant, topic name in UTF-8). */
export function retainPartition(tenantId: string, topic: Uint8Array, workerCount: number): number {
  assert(workerCount >= 1, "somebody keeps the message");
  return 1 + spread(hashBytes(hashText(HASH_START, tenantId), topic), workerCount);
}
