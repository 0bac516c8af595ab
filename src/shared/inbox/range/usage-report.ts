/**
 * Tells what a range holds, as far as that has changed by more than a step since it was told last:
 * the quotas of tenants are for all ranges together (inbox-usage.ts).
 *
 * Nothing of it is stored or decides anything here, so it may differ from one life to the next.
 * Thread: the worker that stores the range.
 */

import type { RangeState } from "./range-state.ts";
import type { TenantShare } from "./tenant-share.ts";

export interface UsageListener {
  /** `isAnew`: what was said of its tenants before is void, all of them follow. */
  rangeHolds(bytes: number, isAnew: boolean): void;
  tenantHolds(tenantId: string, bytes: number, sessions: number): void;
}

/** Changes that are worth telling. */
export interface UsageSteps {
  /** Bytes. */
  readonly range: number;
  /** Bytes. */
  readonly tenant: number;
  /** Infinity: the tenant's sessions are of no interest. */
  sessions(tenantId: string): number;
}

/** Cheap when nothing has changed. `isAnew`: tells everything. */
export function reportUsage(
  state: RangeState,
  steps: UsageSteps,
  isAnew: boolean,
  listener: UsageListener,
): void {
  if (isAnew || isWorthTelling(state.heldBytes, state.toldBytes, steps.range)) {
    state.toldBytes = state.heldBytes;
    listener.rangeHolds(state.heldBytes, isAnew);
  }
  const noted = state.notedTenants;
  if (isAnew) {
    for (const tenant of state.tenants.values()) {
      tenant.toldBytes = 0;
      tenant.toldSessions = 0;
      tell(tenant, steps, listener);
    }
  } else {
    for (const tenant of noted) {
      const sessionStep = steps.sessions(tenant.tenantId);
      const isNews =
        isWorthTelling(tenant.bytes, tenant.toldBytes, steps.tenant) ||
        isWorthTelling(countedSessions(tenant, sessionStep), tenant.toldSessions, sessionStep);
      if (isNews) tell(tenant, steps, listener);
    }
  }
  for (const tenant of noted) tenant.isNoted = false;
  noted.length = 0;
}

function tell(tenant: TenantShare, steps: UsageSteps, listener: UsageListener): void {
  const { tenantId, bytes } = tenant;
  const sessions = countedSessions(tenant, steps.sessions(tenantId));
  if (bytes === tenant.toldBytes && sessions === tenant.toldSessions) return;
  tenant.toldBytes = bytes;
  tenant.toldSessions = sessions;
  listener.tenantHolds(tenantId, bytes, sessions);
}

function countedSessions(tenant: TenantShare, step: number): number {
  return step === Number.POSITIVE_INFINITY ? 0 : tenant.inboxes.size;
}

/** Nothing is told at once: what is empty is forgotten, and would never be told later. */
function isWorthTelling(amount: number, told: number, step: number): boolean {
  if (amount === 0) return told !== 0;
  return Math.abs(amount - told) >= Math.max(1, step);
}
