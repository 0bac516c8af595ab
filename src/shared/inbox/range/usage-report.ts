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
  tenantHolds(tenantId: string, bytes: number): void;
}

/** Bytes of change that are worth telling. */
export interface UsageSteps {
  readonly range: number;
  readonly tenant: number;
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
      tell(tenant, listener);
    }
  } else {
    for (const tenant of noted) {
      if (isWorthTelling(tenant.bytes, tenant.toldBytes, steps.tenant)) tell(tenant, listener);
    }
  }
  for (const tenant of noted) tenant.isNoted = false;
  noted.length = 0;
}

function tell(tenant: TenantShare, listener: UsageListener): void {
  if (tenant.bytes === tenant.toldBytes) return;
  tenant.toldBytes = tenant.bytes;
  listener.tenantHolds(tenant.tenantId, tenant.bytes);
}

/** Nothing is told at once: what is empty is forgotten, and would never be told later. */
function isWorthTelling(bytes: number, toldBytes: number, step: number): boolean {
  if (bytes === 0) return toldBytes !== 0;
  return Math.abs(bytes - toldBytes) >= Math.max(1, step);
}
