/**
 * Scans that wait until the ranges of this worker have applied what stood in their logs when the
 * scan came.
 *
 * A message is delivered while it is still on its way into the log. Who has received it, and then
 * subscribes, must find it retained: by then it stands in this worker's log, two rings behind its
 * publisher, ahead of a scan that took the way over the client.
 *
 * On a full disk a commit may wait for space, and reading goes on: then a scan waits so long and no
 * longer, and finds what is applied, which is everything that was ever acknowledged.
 * Thread: worker. Scope: one per RetainService.
 */

import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import type { ScanRequest } from "../../shared/retain/retain-command.ts";
import type { RangeHost } from "../ranges/range-host-api.ts";

/**
 * Commits that find space take milliseconds. A scan may wait so long at its client, for what that
 * has stored itself, and once more here.
 */
export const FULL_DISK_WAIT_MS = 1000;

interface WaitingScan {
  readonly thread: number;
  readonly scan: ScanRequest;
  readonly sinceMs: number;
  /** Last log index that each range had then. */
  readonly ends: ReadonlyMap<RangeId, number>;
}

export class WaitingScans {
  readonly #ranges: RangeHost;
  #waiting: WaitingScan[] = [];

  constructor(ranges: RangeHost) {
    this.#ranges = ranges;
  }

  /** Keeps the scan of `thread`; false when everything is applied and it need not wait. */
  hold(thread: number, scan: ScanRequest, nowMs: number): boolean {
    const ends = this.#unapplied();
    if (ends === null) return false;
    this.#waiting.push({ thread, scan, sinceMs: nowMs, ends });
    return true;
  }

  /**
   * Hands over those that need not wait any more, in order of arrival: also those that came before
   * `giveUpMs`.
   */
  drain(giveUpMs: number, open: (thread: number, scan: ScanRequest) => void): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      if (one.sinceMs <= giveUpMs || this.#hasApplied(one.ends)) open(one.thread, one.scan);
      else this.#waiting.push(one);
    }
  }

  cancel(thread: number, scanId: number): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => {
      return one.thread !== thread || one.scan.scanId !== scanId;
    });
  }

  /** The readers' worker died. */
  peerLost(thread: number): void {
    this.#waiting = this.#waiting.filter((one) => one.thread !== thread);
  }

  /** Null when every range has applied its whole log. */
  #unapplied(): ReadonlyMap<RangeId, number> | null {
    let ends: Map<RangeId, number> | null = null;
    for (const { descriptor, applied, lastIndex } of this.#ranges.ownedBy(ServiceId.RETAIN)) {
      if (applied === lastIndex) continue;
      ends ??= new Map();
      ends.set(descriptor.id, lastIndex);
    }
    return ends;
  }

  #hasApplied(ends: ReadonlyMap<RangeId, number>): boolean {
    for (const [id, index] of ends) {
      const range = this.#ranges.byId(id);
      if (range !== null && range.applied < index) return false;
    }
    return true;
  }
}
