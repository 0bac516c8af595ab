/**
 * A publish that waits for inboxes and the retained store before it may be acknowledged.
 * Thread: worker. Scope: one per QoS 1 or 2 publish whose caller wants to know.
 */

import { InsertStatus } from "../inbox/inbox-api.ts";
import { RetainStatus } from "../retain/retain-api.ts";
import { PublishOutcome } from "./dist-api.ts";

export class PendingPublish {
  readonly #done: (outcome: PublishOutcome) => void;
  #outstanding = 0;
  #isSealed = false;
  #base: PublishOutcome = PublishOutcome.NO_SUBSCRIBER;
  #isTaken = false;
  #isRetainRefused = false;
  #stored = 0;
  #refused = 0;
  #failed = 0;
  #noRoom = 0;

  constructor(done: (outcome: PublishOutcome) => void) {
    this.#done = done;
  }

  /** The callback for one retained store. */
  expectStored(): (status: RetainStatus) => void {
    this.#outstanding += 1;
    return (status) => {
      if (status === RetainStatus.QUOTA) this.#isRetainRefused = true;
      else if (status === RetainStatus.UNAVAILABLE) this.#failed += 1;
      else if (status === RetainStatus.NO_ROOM) this.#noRoom += 1;
      this.#finishOne();
    };
  }

  /** The callback for one insert command. */
  expectInserted(): (statuses: Uint8Array) => void {
    this.#outstanding += 1;
    return (statuses) => {
      for (const status of statuses) {
        if (status === InsertStatus.STORED) this.#stored += 1;
        else if (status === InsertStatus.QUOTA) this.#refused += 1;
        else if (status === InsertStatus.UNAVAILABLE) this.#failed += 1;
        else if (status === InsertStatus.NO_ROOM) this.#noRoom += 1;
      }
      this.#finishOne();
    };
  }

  /**
   * Everything is sent; `base` is what matching made of it, `isTaken` whether transient subscribers
   * have it. Not null: nothing is outstanding, this is the outcome, and `done` is never called. It
   * need not be `base`: who has no range or a full disk refuses before it is sealed.
   */
  seal(base: PublishOutcome, isTaken: boolean): PublishOutcome | null {
    this.#base = base;
    this.#isTaken = isTaken;
    this.#isSealed = true;
    return this.#outstanding === 0 ? this.#outcome() : null;
  }

  #finishOne(): void {
    this.#outstanding -= 1;
    if (this.#isSealed && this.#outstanding === 0) this.#done(this.#outcome());
  }

  /**
   * A lost worker decides, then a full disk: nobody may believe that it is stored. An inbox's
   * refusal counts only when nobody else took the message, so that nobody gets it twice when the
   * publisher sends it again; that of the retained store when no inbox did. Otherwise it is told
   * in words.
   */
  #outcome(): PublishOutcome {
    if (this.#failed > 0) return PublishOutcome.FAILED;
    if (this.#noRoom > 0) return PublishOutcome.NO_ROOM;
    const isRefused = this.#isRetainRefused || (this.#refused > 0 && !this.#isTaken);
    if (isRefused && this.#stored === 0) return PublishOutcome.QUOTA;
    if (this.#isRetainRefused || this.#refused > 0) return PublishOutcome.IN_PART;
    return this.#base;
  }
}
