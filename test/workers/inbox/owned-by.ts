/** Client identifiers by the worker that has their inbox. */

import { bucketOf, putRoutingKey } from "../../../src/shared/inbox/range/inbox-key.ts";
import type { InboxWorkers } from "../../helpers/service-workers.ts";

export const nothing = (): void => {};
const routing = new Uint8Array(4);

/** A client identifier whose inbox is on worker `owner`. */
export function ownedBy(workers: InboxWorkers, owner: number, from = 0): string {
  for (let i = from; ; i++) {
    putRoutingKey(routing, bucketOf("t", `client-${i}`));
    if (workers.ranges.find(routing)?.descriptor.storeId === owner) return `client-${i}`;
  }
}
