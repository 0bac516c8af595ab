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
interface InsertionPart {
  readonly owner: number;
  readonly insertion: Insertion;
  /** Places of the part's receivers among all. */
  readonly indexes: readonly number[];
}

export class Insertions {
  readonly #parts = new PendingRequests<InsertionPart>();

  get size(): number {
    return this.#parts.size;
  }

  /** Returns the request number to send along. */
  add(owner: number, insertion: Insertion, indexes: readonly number[]): number {
    return this.#parts.add({ owner, insertion, indexes });
  }

  /** A range has answered for its part. */
  answered(request: number, statuses: Uint8Array): void {
    const part = this.#parts.take(request);
    part?.indexes.forEach((index, at) => {
      part.insertion.settle(index, statuses[at] as InsertStatus);
    });
  }

  /** The whole part gets one status. */
  failed(request: number, status: InsertStatus): void {
    const part = this.#parts.take(request);
    for (const index of part?.indexes ?? []) part?.insertion.settle(index, status);
  }

  /** The part is to be asked for anew, by other requests: what it was. Null: settled already. */
  take(request: number): Pick<InsertionPart, "insertion" | "indexes"> | null {
    return this.#parts.take(request);
  }

  ownerLost(owner: number): void {
    for (const { insertion, indexes } of this.#parts.takeOwner(owner)) {
      for (const index of indexes) insertion.settle(index, InsertStatus.UNAVAILABLE);
    }
  }
}
