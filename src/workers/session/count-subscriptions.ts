/** Subscriptions of connected sessions, for metrics and $SYS. Thread: worker. */

import { Counter } from "../../shared/metrics/counter-table.ts";
import type { Session } from "./session.ts";

/** Adds `all`, of which `shared` are shared; negative when subscriptions end. */
export function countSubscriptions(session: Session, all: number, shared: number): void {
  const { counters } = session.context;
  counters[Counter.SUBSCRIPTIONS]! += all;
  counters[Counter.SHARED_SUBSCRIPTIONS]! += shared;
  if (session.tenant === null) return;
  session.tenant.counters.subscriptions += all;
  session.tenant.counters.sharedSubscriptions += shared;
}
