/** How much of each tenant one range of retained messages holds. */

import type { RetainAllowance } from "./retain-log-command.ts";
import type { Usage } from "./retain-usage.ts";

const NOTHING: Readonly<Usage> = Object.freeze({ topics: 0, bytes: 0 });

export class RetainTotals {
  readonly #tenants = new Map<string, Usage>();
  topics = 0;
  bytes = 0;

  tenants(): Iterable<string> {
    return this.#tenants.keys();
  }

  of(tenantId: string): Readonly<Usage> {
    return this.#tenants.get(tenantId) ?? NOTHING;
  }

  /** That much more (or, negative, less) of the tenant. */
  add(tenantId: string, topics: number, bytes: number): void {
    this.topics += topics;
    this.bytes += bytes;
    const usage = this.#tenants.get(tenantId);
    if (usage === undefined) {
      this.#tenants.set(tenantId, { topics, bytes });
      return;
    }
    usage.topics += topics;
    usage.bytes += bytes;
    if (usage.topics === 0) this.#tenants.delete(tenantId);
  }

  addAll(other: RetainTotals): void {
    for (const [tenantId, usage] of other.#tenants) this.add(tenantId, usage.topics, usage.bytes);
  }

  removeAll(other: RetainTotals): void {
    for (const [tenantId, usage] of other.#tenants) this.add(tenantId, -usage.topics, -usage.bytes);
  }

  /** False when `more` would overstep the allowance; taking away is always allowed. */
  allows(tenantId: string, more: Readonly<Usage>, allowance: RetainAllowance): boolean {
    const held = this.of(tenantId);
    if (more.topics > 0 && held.topics + more.topics > allowance.topics) return false;
    return !(more.bytes > 0 && held.bytes + more.bytes > allowance.bytes);
  }
}
