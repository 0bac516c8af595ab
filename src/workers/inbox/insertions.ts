/**
 * Messages on their way into inboxes, whose publishers wait. One message may go to several ranges,
 * each of which answers for its part; a part may be cut again when its range is.
 * Thread: worker. Scope: one per InboxClient.
 */

import { InsertStatus } from "../../shared/inbox/inbox-types.ts";
import { PendingRequests } from "../pending-requests.ts";

/** One message and all its receivers. */
export class Insertion {
  /** In the order of the receivers. */
  readonly statuses: Uint8Array;
  readonly #done: (statuses: Uint8Array) => void;
  #receiversLeft: number;

  constructor(receiverCount: number, done: (statuses: Uint8Array) => void) {
    this.statuses = new Uint8Array(receiverCount);
    this.#receiversLeft = receiverCount;
    this.#done = done;
  }

  /** `index`: place of the receiver. */
  settle(index: number, status: InsertStatus): void {
    this.statuses[index] = status;
    this.#receiversLeft -= 1;
    if (this.#receiversLeft === 0) this.#done(this.statuses);
  }
}

/** What one range was asked for. */
export interface InsertionPart {
  readonly owner: number;
  readonly insertion: Insertion;
  /** Places of the part's receivers among all. */
  readonly indexes: readonly number[];
  /** Reserved for it of the tenant's quota. */
  readonly tenantId: string;
  readonly bytes: number;
}

export class Insertions {
  readonly #parts = new PendingRequests<InsertionPart>();
  readonly #release: (tenantId: string, bytes: number) => void;

  /** `release`: what was reserved for a part is needed no more. */
  constructor(release: (tenantId: string, bytes: number) => void) {
    this.#release = release;
  }

  get size(): number {
    return this.#parts.size;
  }

  /** Returns the request number to send along. */
  add(part: InsertionPart): number {
    return this.#parts.add(part);
  }

  /** A range has answered for its part. */
  answered(request: number, statuses: Uint8Array): void {
    const part = this.take(request);
    part?.indexes.forEach((index, at) => {
      part.insertion.settle(index, statuses[at] as InsertStatus);
    });
  }

  /** The whole part gets one status. */
  failed(request: number, status: InsertStatus): void {
    const part = this.take(request);
    for (const index of part?.indexes ?? []) part?.insertion.settle(index, status);
  }

  /** The part is to be asked for anew, by other requests: what it was. Null: settled already. */
  take(request: number): Pick<InsertionPart, "insertion" | "indexes"> | null {
    const part = this.#parts.take(request);
    if (part !== null) this.#release(part.tenantId, part.bytes);
    return part;
  }

  ownerLost(owner: number): void {
    for (const { insertion, indexes, tenantId, bytes } of this.#parts.takeOwner(owner)) {
      this.#release(tenantId, bytes);
      for (const index of indexes) insertion.settle(index, InsertStatus.UNAVAILABLE);
    }
  }
}
