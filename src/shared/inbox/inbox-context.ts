/**
 * What all inboxes of one owner share, and the tenant's policy as far as an inbox obeys it.
 */

import type { MessageStore } from "./delivery.ts";
import type { InboxOutput } from "./inbox-output.ts";
import type { QueueBudget } from "./queue-budget.ts";

export interface InboxContext {
  readonly messages: MessageStore;
  /** Row of the counter table of this thread. */
  readonly counters: Float64Array;
  readonly output: InboxOutput;
  /**
   * Bytes pushed to one session and not yet acknowledged (QoS 1, 2) or taken (QoS 0) before pushing
   * pauses; each of the two is counted by itself. The session's worker holds about as much for the
   * connection anyway.
   */
  readonly windowBytes: number;
  readonly budget: QueueBudget;
}

/** Policy of the tenant at the time of the call; names as in tenant-settings.ts. */
export interface InboxLimits {
  readonly SessionInboxSize: number;
  readonly QoS0DropOldest: boolean;
  /** 0 = no limit. */
  readonly MaxTopicFiltersPerInbox: number;
}
