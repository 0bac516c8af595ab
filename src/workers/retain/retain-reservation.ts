/**
 * What one store of a retained message may add to what its tenant has, entered in the ledger from
 * its proposal to its answer. Thread: worker. Scope: one per store under a cap.
 */

import { Quota, type QuotaAccount } from "../../shared/quota/quota-ledger.ts";
import { NO_CAP, type RetainAllowance } from "../../shared/retain/retain-log-command.ts";
import type { RetainLimits } from "../../shared/retain/retain-types.ts";

export function isCapped(limits: RetainLimits): boolean {
  return limits.RetainMaxTopics > 0 || limits.RetainMaxBytes > 0;
}

export class RetainReservation {
  readonly allowance: RetainAllowance;
  readonly #account: QuotaAccount;
  readonly #bytes: number;

  /** `bytes`: of the message, which may be in the place of another one. */
  constructor(account: QuotaAccount, limits: RetainLimits, bytes: number) {
    this.#account = account;
    this.#bytes = bytes;
    account.reserve(Quota.RETAINED_TOPICS, 1);
    account.reserve(Quota.RETAINED_BYTES, bytes);
    const { RetainMaxTopics: topics, RetainMaxBytes } = limits;
    this.allowance = {
      topics: topics === 0 ? NO_CAP : account.room(Quota.RETAINED_TOPICS, topics, 1),
      bytes:
        RetainMaxBytes === 0 ? NO_CAP : account.room(Quota.RETAINED_BYTES, RetainMaxBytes, bytes),
    };
  }

  /** Once, when the store is answered or given up. */
  release(): void {
    this.#account.release(Quota.RETAINED_TOPICS, 1);
    this.#account.release(Quota.RETAINED_BYTES, this.#bytes);
  }
}
