/**
 * How many bytes of waiting messages each inbox range holds, in all and of each tenant, and how
 * many sessions of tenants that have a limit of them, as its worker last told.
 *
 * A tenant's sessions are spread over all ranges, but its quota is for the whole node, and so is
 * that of all tenants. Each worker tells the others when what a range of its own holds has changed
 * by a step; so a quota may be overstepped by a step per range and by what is under way at one
 * moment, and never refuses early because one range is fuller than another.
 * Thread: worker. Scope: one per worker.
 */

import type { RangeId } from "../range/range-descriptor.ts";

/**
 * A range tells again after its share of this part of the quota: all ranges together are wrong by
 * less than two percent, and a quota is told of some hundred times while it fills.
 */
const STEPS = 64;

/** The change of bytes or sessions that `ranges` ranges under one quota do not tell. */
export function usageStep(quota: number, ranges: number): number {
  return Math.floor(quota / STEPS / Math.max(1, ranges));
}

/** Bytes or sessions by range, with their sum. */
class Shares {
  readonly #ranges = new Map<RangeId, number>();
  #sum = 0;

  learn(range: RangeId, amount: number): void {
    this.#sum += amount - (this.#ranges.get(range) ?? 0);
    if (amount === 0) this.#ranges.delete(range);
    else this.#ranges.set(range, amount);
  }

  without(range: RangeId): number {
    return this.#sum - (this.#ranges.get(range) ?? 0);
  }

  get isEmpty(): boolean {
    return this.#ranges.size === 0;
  }

  ranges(): Iterable<RangeId> {
    return this.#ranges.keys();
  }
}

/** What a tenant holds, by range. */
class TenantShares {
  readonly bytes = new Shares();
  readonly sessions = new Shares();

  learn(range: RangeId, bytes: number, sessions: number): void {
    this.bytes.learn(range, bytes);
    this.sessions.learn(range, sessions);
  }

  get isEmpty(): boolean {
    return this.bytes.isEmpty && this.sessions.isEmpty;
  }
}

export class InboxUsage {
  readonly #all = new Shares();
  readonly #tenants = new Map<string, TenantShares>();

  /** What a range holds in all. */
  learnRange(range: RangeId, bytes: number): void {
    this.#all.learn(range, bytes);
  }

  /** What a range holds of one tenant. */
  learnTenant(range: RangeId, tenantId: string, bytes: number, sessions: number): void {
    let shares = this.#tenants.get(tenantId);
    if (shares === undefined) {
      if (bytes === 0 && sessions === 0) return;
      shares = new TenantShares();
      this.#tenants.set(tenantId, shares);
    }
    shares.learn(range, bytes, sessions);
    if (shares.isEmpty) this.#tenants.delete(tenantId);
  }

  /** Its tenants will be told of anew, or it is no more. Cold. */
  forget(range: RangeId): void {
    this.#all.learn(range, 0);
    for (const [tenantId, shares] of this.#tenants) {
      shares.learn(range, 0, 0);
      if (shares.isEmpty) this.#tenants.delete(tenantId);
    }
  }

  /** Ranges come and go: forgets those that are not in `ranges`. Cold. */
  keepOnly(ranges: ReadonlySet<RangeId>): void {
    const known = new Set(this.#all.ranges());
    for (const { bytes, sessions } of this.#tenants.values()) {
      for (const range of bytes.ranges()) known.add(range);
      for (const range of sessions.ranges()) known.add(range);
    }
    for (const range of known) if (!ranges.has(range)) this.forget(range);
  }

  /** Held in all ranges but one. */
  elsewhere(range: RangeId): number {
    return this.#all.without(range);
  }

  /** The same of one tenant. */
  tenantElsewhere(tenantId: string, range: RangeId): number {
    return this.#tenants.get(tenantId)?.bytes.without(range) ?? 0;
  }

  /** Sessions of a tenant in all ranges but one. */
  sessionsElsewhere(tenantId: string, range: RangeId): number {
    return this.#tenants.get(tenantId)?.sessions.without(range) ?? 0;
  }
}
