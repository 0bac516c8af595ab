/** Which worker owns a session's dictionary entry. */

import { assert } from "../base/assert.ts";
import { HASH_START, hashText, spread } from "../bytes/hash32.ts";

/** Thread 1..workerCount of the session (tenant, client identifier). */
export function ownerThread(tenantId: string, clientId: string, workerCount: number): number {
  assert(workerCount >= 1, "somebody owns the session");
  return 1 + spread(hashText(hashText(HASH_START, tenantId), clientId), workerCount);
}
