/**
 * The messages that a session did not get, by reason: counted when they are dropped, told when the
 * client comes back or the session ends, then forgotten.
 *
 * Positions count the messages of the queue. One that is refused never gets a place there, so those
 * refused are numbered on from its end:
 *
 * ```
 *   queue   0 1 2 3          full                    one has left and one came
 *   refused         4 5 6    positions 4 to 6        the next one: 5 in the queue, 3 refused: 8
 * ```
 */

import { DropReason, type DropReport } from "../inbox-types.ts";

export class DropList {
  /** At most one per reason. */
  readonly reports: DropReport[] = [];

  /**
   * `place`: of one that has expired, the sequence number that it had; of one that is refused, that
   * of the queue's end.
   */
  add(reason: DropReason, place: number, nowMs: number): void {
    const position = reason === DropReason.EXPIRED ? place : place + this.#refusedCount;
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

  get #refusedCount(): number {
    let sum = 0;
    for (const { reason, count } of this.reports) if (reason !== DropReason.EXPIRED) sum += count;
    return sum;
  }
}
