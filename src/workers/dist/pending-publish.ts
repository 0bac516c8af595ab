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
  #stored = 0;
  #refused = 0;
  #failed = 0;

  constructor(done: (outcome: PublishOutcome) => void) {
    this.#done = done;
  }

  /** The callback for one retained store. */
  expectStored(): (status: RetainStatus) => void {
    this.#outstanding += 1;
    return (status) => {
      if (status === RetainStatus.QUOTA) this.#refused += 1;
      if (status === RetainStatus.UNAVAILABLE) this.#failed += 1;
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
      }
      this.#finishOne();
    };
  }

  /**
   * Everything is sent; `base` is what transient subscribers made of it. True: nothing is outstanding, the caller
   * answers with `base` itself and `done` is never called.
   */
  seal(base: PublishOutcome): boolean {
    this.#base = base;
    this.#isSealed = true;
    return this.#outstanding === 0;
  }

  #finishOne(): void {
    this.#outstanding -= 1;
    if (this.#isSealed && this.#outstanding === 0) this.#done(this.#outcome());
  }

  /** A lost worker decides; a refusal only when nobody took the message. */
  #outcome(): PublishOutcome {
    if (this.#failed > 0) return PublishOutcome.FAILED;
    if (this.#refused > 0 && this.#stored === 0) return PublishOutcome.QUOTA;
    return this.#base;
  }
}
