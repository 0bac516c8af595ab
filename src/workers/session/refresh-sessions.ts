/**
 * After a reload: what live sessions have derived from their tenant's settings, or wait for because
 * of them, follows the new ones. Everything else reads the settings at each use. Thread: worker.
 */

import { reviewRates } from "./rate-limits.ts";
import { updateResends } from "./resend.ts";
import type { SessionContext } from "./session-context.ts";
import { Phase } from "./session-state.ts";

export function refreshSessions(context: SessionContext): void {
  context.wake();
  for (const session of context.registry.all()) {
    if (session.phase !== Phase.ACTIVE) continue;
    reviewRates(session);
    updateResends(session);
    // A keep alive is agreed at CONNECT; everything else that has a deadline may have a new one.
    session.reviewDeadline();
  }
}
