/** How much of each tenant one range of retained messages holds. */

export interface Usage {
  topics: number;
  bytes: number;
}

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
}
