/**
 * What commands of this worker may add to what tenants have in inboxes, entered in the ledger from
 * proposal to answer. Thread: worker. Scope: one per RangeInboxClient.
 */

import type { InsertLimits } from "../../shared/inbox/inbox-types.ts";
import { UNLIMITED_SESSIONS } from "../../shared/inbox/log-command.ts";
import { Quota, type QuotaLedger } from "../../shared/quota/quota-ledger.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import type { QueueBudget } from "./queue-budget.ts";

export interface InboxQuotasOptions {
  readonly quotas: QuotaLedger;
  readonly budget: QueueBudget;
  readonly settings: (tenantId: string) => TenantSettings;
}

export class InboxQuotas {
  readonly #options: InboxQuotasOptions;
  /** Refilled per range and message. */
  readonly #limitsView = { sessionInboxSize: 0, sessionBytes: 0, tenantRoom: 0, processRoom: 0 };

  constructor(options: InboxQuotasOptions) {
    this.#options = options;
  }

  /** For messages of so many bytes; borrowed until the next call. */
  reserveBytes(tenantId: string, bytes: number): InsertLimits {
    const { budget, quotas, settings } = this.#options;
    const account = quotas.account(tenantId);
    account.reserve(Quota.QUEUE_BYTES, bytes);
    quotas.all.reserve(Quota.QUEUE_BYTES, bytes);
    const limits = this.#limitsView;
    limits.sessionInboxSize = settings(tenantId).SessionInboxSize;
    limits.sessionBytes = budget.sessionBytes;
    limits.tenantRoom = account.room(Quota.QUEUE_BYTES, budget.tenantBytes, bytes);
    limits.processRoom = quotas.all.room(Quota.QUEUE_BYTES, budget.processBytes, bytes);
    return limits;
  }

  /** Once, when the messages are stored or refused, or given up. */
  releaseBytes(tenantId: string, bytes: number): void {
    const { quotas } = this.#options;
    quotas.account(tenantId).release(Quota.QUEUE_BYTES, bytes);
    quotas.all.release(Quota.QUEUE_BYTES, bytes);
  }

  /** For one session: how many there is room for. */
  reserveSession(tenantId: string): number {
    const { quotas, settings } = this.#options;
    const account = quotas.account(tenantId);
    account.reserve(Quota.SESSIONS, 1);
    const most = settings(tenantId).TotalPersistentSessions;
    return most === 0 ? UNLIMITED_SESSIONS : account.room(Quota.SESSIONS, most, 1);
  }

  /** Once, when its CONNECT is answered or given up. */
  releaseSession(tenantId: string): void {
    this.#options.quotas.account(tenantId).release(Quota.SESSIONS, 1);
  }
}
