/**
 * Enters in the ledger of quotas what this worker's inbox ranges hold: sessions, and bytes of
 * waiting messages, of each tenant and in all.
 *
 * It is called before answers leave: who is answered then lets go of what it had reserved. Only
 * tenants of which something has changed are looked at.
 * Thread: worker. Scope: one per InboxService.
 */

import type { InboxRange } from "../../shared/inbox/range/inbox-range.ts";
import { Quota, type QuotaLedger } from "../../shared/quota/quota-ledger.ts";

export class HeldCounter {
  readonly #quotas: QuotaLedger;
  #ranges: readonly InboxRange[] = [];
  #mustCountAll = false;

  constructor(quotas: QuotaLedger) {
    this.#quotas = quotas;
  }

  /** Ranges were opened, cut, joined or set aside: the worker has these now. */
  rangesChanged(ranges: readonly InboxRange[]): void {
    this.#ranges = ranges;
    this.#mustCountAll = true;
  }

  count(): void {
    let heldBytes = 0;
    for (const range of this.#ranges) {
      heldBytes += range.heldBytes;
      range.drainChangedTenants(this.#countTenant);
    }
    this.#quotas.all.hold(Quota.QUEUE_BYTES, heldBytes);
    if (this.#mustCountAll) this.#countAll();
  }

  #countAll(): void {
    this.#mustCountAll = false;
    const tenants = new Set(this.#quotas.tenants());
    for (const range of this.#ranges) {
      for (const tenantId of range.knownTenants()) tenants.add(tenantId);
    }
    for (const tenantId of tenants) this.#countTenant(tenantId);
    this.#quotas.dropInherited(Quota.SESSIONS);
    this.#quotas.dropInherited(Quota.QUEUE_BYTES);
  }

  readonly #countTenant = (tenantId: string): void => {
    let sessions = 0;
    let bytes = 0;
    for (const range of this.#ranges) {
      sessions += range.sessionCount(tenantId);
      bytes += range.tenantBytes(tenantId);
    }
    const account = this.#quotas.account(tenantId);
    account.hold(Quota.SESSIONS, sessions);
    account.hold(Quota.QUEUE_BYTES, bytes);
  };
}
