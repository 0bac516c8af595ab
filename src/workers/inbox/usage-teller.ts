/**
 * Tells all workers what this one's inbox ranges hold of the quotas, and learns what theirs do.
 * Once per duty cycle, and only of what has changed by a step; so a steady state tells nothing.
 * Thread: worker. Scope: one per InboxService.
 */

import { writeHeld, writeHeldOf } from "../../shared/inbox/direct-command.ts";
import { type InboxUsage, usageStep } from "../../shared/inbox/inbox-usage.ts";
import { InboxRange } from "../../shared/inbox/range/inbox-range.ts";
import type { UsageListener, UsageSteps } from "../../shared/inbox/range/usage-report.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import { NO_RANGE, type RangeId } from "../../shared/range/range-descriptor.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { RangeHost } from "../ranges/range-host-api.ts";
import { RecordBatches } from "../record-batches.ts";
import type { InboxHost } from "./inbox-api.ts";
import type { QueueBudget } from "./queue-budget.ts";

export interface UsageTellerOptions {
  readonly endpoint: RingEndpoint;
  readonly budget: QueueBudget;
  readonly usage: InboxUsage;
  readonly host: Pick<InboxHost, "settings">;
  readonly ranges: { readonly host: RangeHost };
}

export class UsageTeller implements UsageListener {
  readonly #options: UsageTellerOptions;
  readonly #batches: RecordBatches;
  #mustTellAll = true;
  /** The range that speaks. */
  #range: RangeId = NO_RANGE;

  constructor(options: UsageTellerOptions) {
    this.#options = options;
    this.#batches = new RecordBatches(options.endpoint, RecordType.INBOX_COMMAND);
  }

  /** Ranges were opened, cut or joined. */
  mustTellAll(): void {
    this.#mustTellAll = true;
  }

  /** `thread` died; its successor knows nothing. */
  peerLost(thread: number): void {
    this.#batches.drop(thread);
    this.#mustTellAll = true;
  }

  /** End of a duty cycle. `rangeCount`: ranges of all workers. */
  flush(rangeCount: number): void {
    const { budget, host, ranges } = this.#options;
    const isAnew = this.#mustTellAll;
    const steps: UsageSteps = {
      range: usageStep(budget.processBytes, rangeCount),
      tenant: usageStep(budget.tenantBytes, rangeCount),
      sessions: (tenantId) => {
        const most = host.settings(tenantId).TotalPersistentSessions;
        return most === 0 ? Number.POSITIVE_INFINITY : usageStep(most, rangeCount);
      },
    };
    this.#mustTellAll = false;
    for (const { descriptor, machine } of ranges.host.ownedBy(ServiceId.INBOX)) {
      if (!(machine instanceof InboxRange)) continue;
      this.#range = descriptor.id;
      machine.reportUsage(steps, isAnew, this);
    }
    this.#batches.flush();
  }

  rangeHolds(bytes: number, isAnew: boolean): void {
    const range = this.#range;
    this.held(range, bytes, isAnew);
    this.#eachOther((thread) => writeHeld(this.#batches.writer(thread), range, bytes, isAnew));
  }

  tenantHolds(tenantId: string, bytes: number, sessions: number): void {
    const range = this.#range;
    this.heldOf(range, tenantId, bytes, sessions);
    this.#eachOther((thread) => {
      writeHeldOf(this.#batches.writer(thread), range, tenantId, bytes, sessions);
    });
  }

  /** A range holds so much, of this worker or of another one. */
  held(range: RangeId, bytes: number, isAnew: boolean): void {
    if (isAnew) this.#options.usage.forget(range);
    this.#options.usage.learnRange(range, bytes);
  }

  heldOf(range: RangeId, tenantId: string, bytes: number, sessions: number): void {
    this.#options.usage.learnTenant(range, tenantId, bytes, sessions);
  }

  #eachOther(tell: (thread: number) => void): void {
    const { threadCount, threadIndex } = this.#options.endpoint;
    for (let thread = 1; thread < threadCount; thread++) {
      if (thread === threadIndex) continue;
      tell(thread);
      if (this.#batches.isFull(thread)) this.#batches.flushTarget(thread);
    }
  }
}
