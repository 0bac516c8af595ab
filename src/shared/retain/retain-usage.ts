/**
 * How much of each tenant the other workers' ranges hold, as their workers last told.
 *
 * A tenant's messages are spread over all ranges, but its caps are for the whole node. Each worker
 * tells the others once per duty cycle what its ranges hold of a capped tenant; so a cap may be
 * overstepped by what is under way at one moment, and never refuses early because one range happens
 * to be fuller than another.
 * Thread: worker. Scope: one per worker.
 */

import type { RangeId } from "../range/range-descriptor.ts";
import { NO_CAP, type RetainAllowance, UNCAPPED } from "./retain-log-command.ts";
import type { RetainLimits } from "./retain-types.ts";

export interface Usage {
  topics: number;
  bytes: number;
}

export class RetainUsage {
  /** By range, then tenant. */
  readonly #ranges = new Map<RangeId, Map<string, Usage>>();

  /** A worker told what one of its ranges holds. */
  learn(range: RangeId, tenantId: string, usage: Usage): void {
    let tenants = this.#ranges.get(range);
    if (tenants === undefined) {
      tenants = new Map();
      this.#ranges.set(range, tenants);
    }
    if (usage.topics === 0) tenants.delete(tenantId);
    else tenants.set(tenantId, usage);
  }

  /** Ranges come and go: keeps what was told of those that `isElsewhere` on another worker. */
  keepOnly(isElsewhere: (range: RangeId) => boolean): void {
    for (const range of this.#ranges.keys()) {
      if (!isElsewhere(range)) this.#ranges.delete(range);
    }
  }

  /** What ranges of other workers hold of the tenant, `except` left out. */
  elsewhere(tenantId: string, except: RangeId): Usage {
    const total = { topics: 0, bytes: 0 };
    for (const [range, tenants] of this.#ranges) {
      const usage = range === except ? undefined : tenants.get(tenantId);
      if (usage === undefined) continue;
      total.topics += usage.topics;
      total.bytes += usage.bytes;
    }
    return total;
  }
}

/** What one range may hold of a tenant, when all the others hold `others`. */
export function allowanceOf(limits: RetainLimits, others: Readonly<Usage>): RetainAllowance {
  if (!isCapped(limits)) return UNCAPPED;
  const { RetainMaxTopics: topics, RetainMaxBytes: bytes } = limits;
  return {
    topics: topics === 0 ? NO_CAP : Math.max(0, topics - others.topics),
    bytes: bytes === 0 ? NO_CAP : Math.max(0, bytes - others.bytes),
  };
}

export function isCapped(limits: RetainLimits): boolean {
  return limits.RetainMaxTopics > 0 || limits.RetainMaxBytes > 0;
}
