/**
 * The messages that a session did not get, by reason: counted when they are dropped, told when the
 * client comes back or the session ends, then forgotten.
 */

import type { DropReason, DropReport } from "../inbox-types.ts";

export class DropList {
  /** At most one per reason. */
  readonly reports: DropReport[] = [];

  /** `position`: the sequence number that the message had, or would have had. */
  add(reason: DropReason, position: number, nowMs: number): void {
    const at = this.reports.findIndex((report) => report.reason === reason);
    const known = this.reports[at];
    if (known === undefined) {
      const here = { firstPosition: position, firstMs: nowMs };
      this.reports.push({ reason, count: 1, ...here, lastPosition: position, lastMs: nowMs });
      return;
    }
    const count = known.count + 1;
    this.reports[at] = { ...known, count, lastPosition: position, lastMs: nowMs };
  }
}
