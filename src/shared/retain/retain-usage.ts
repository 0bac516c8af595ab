/**
 * How much each tenant retains, over all partitions: its own part exactly, the others as they last
 * told.
 *
 * A tenant's messages are spread over all workers, but its caps are for the whole node. Each
 * partition tells the others what it holds of a capped tenant once per duty cycle; so a cap may be
 * overstepped by what is under way at one moment, and never refuses early because one partition
 * happens to be fuller than another.
 * Thread: the owner of a partition. Scope: one per partition.
 */

import type { RetainLimits } from "./retain-types.ts";

export interface Usage {
  topics: number;
  bytes: number;
}

const NOTHING: Readonly<Usage> = Object.freeze({ topics: 0, bytes: 0 });

export class RetainUsage {
  readonly #own = new Map<string, Usage>();
  /** By thread, then tenant. */
  readonly #peers = new Map<number, Map<string, Usage>>();
  readonly #changed = new Set<string>();

  /** Tenants that this partition holds messages of. */
  tenants(): Iterable<string> {
    return this.#own.keys();
  }

  /** What this partition holds of the tenant. */
  own(tenantId: string): Readonly<Usage> {
    return this.#own.get(tenantId) ?? NOTHING;
  }

  /** What the node holds of the tenant, as far as this partition knows. */
  total(tenantId: string): Usage {
    const total = { ...this.own(tenantId) };
    for (const tenants of this.#peers.values()) {
      const usage = tenants.get(tenantId);
      if (usage === undefined) continue;
      total.topics += usage.topics;
      total.bytes += usage.bytes;
    }
    return total;
  }

  /** False when adding that much would overstep a cap; taking away is always allowed. */
  allows(tenantId: string, topics: number, bytes: number, limits: RetainLimits): boolean {
    const { RetainMaxTopics: maxTopics, RetainMaxBytes: maxBytes } = limits;
    if (!isCapped(limits)) return true;
    const total = this.total(tenantId);
    if (topics > 0 && maxTopics > 0 && total.topics + topics > maxTopics) return false;
    return !(bytes > 0 && maxBytes > 0 && total.bytes + bytes > maxBytes);
  }

  /** This partition holds that much more (or, negative, less) of the tenant. */
  add(tenantId: string, topics: number, bytes: number): void {
    const usage = this.#own.get(tenantId);
    this.#changed.add(tenantId);
    if (usage === undefined) {
      this.#own.set(tenantId, { topics, bytes });
      return;
    }
    usage.topics += topics;
    usage.bytes += bytes;
    if (usage.topics === 0) this.#own.delete(tenantId);
  }

  /** Another partition told what it holds. */
  learn(thread: number, tenantId: string, usage: Usage): void {
    let tenants = this.#peers.get(thread);
    if (tenants === undefined) {
      tenants = new Map();
      this.#peers.set(thread, tenants);
    }
    if (usage.topics === 0) tenants.delete(tenantId);
    else tenants.set(tenantId, usage);
  }

  /**
   * Its worker died, and what it kept with it. Its successor knows nobody: everything is told
   * again.
   */
  peerLost(thread: number): void {
    this.#peers.delete(thread);
    this.announceAll();
  }

  /** Tells everything again, e.g. because a tenant has got a cap. */
  announceAll(): void {
    for (const tenantId of this.#own.keys()) this.#changed.add(tenantId);
  }

  /** Hands each capped tenant whose usage has changed since the last call to `announce`. */
  drainChanged(
    limitsOf: (tenantId: string) => RetainLimits,
    announce: (tenantId: string, usage: Readonly<Usage>) => void,
  ): void {
    if (this.#changed.size === 0) return;
    for (const tenantId of this.#changed) {
      if (isCapped(limitsOf(tenantId))) announce(tenantId, this.own(tenantId));
    }
    this.#changed.clear();
  }
}

function isCapped(limits: RetainLimits): boolean {
  return limits.RetainMaxTopics > 0 || limits.RetainMaxBytes > 0;
}
