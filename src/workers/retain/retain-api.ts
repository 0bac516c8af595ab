/**
 * The retain service as its callers see it. Retained messages are partitioned over the workers by
 * hash of (tenant, topic); commands and replies travel as ring records, also to the caller's own
 * worker.
 * Thread: worker.
 */

import type { Message } from "../../shared/mqtt/message.ts";
import { RetainForm, RetainStatus } from "../../shared/retain/retain-types.ts";
import type { RetainedBatch } from "../../shared/retain/retained-batch.ts";

// The codes travel in records, so shared code defines them; callers find them here.
export { RetainForm, RetainStatus };

/** A running wildcard or exact match; pulled batch by batch so that memory stays bounded. */
export interface RetainScan {
  /**
   * Asks for the next batch (at most `maxMessages`, about 56 KiB). `done(batch, isEnd)`; the batch
   * is borrowed until `done` returns. Its messages are not expired, keep their original expiry and
   * receivedAtMs, and come in no particular order. One call at a time.
   */
  next(maxMessages: number, done: (batch: RetainedBatch, isEnd: boolean) => void): void;
  /** False: a worker died, and what lay there has not been handed out. */
  readonly isWhole: boolean;
  /** Forgets the scan; no further callback. */
  cancel(): void;
}

export interface RetainClient {
  /**
   * Stores, replaces, or with an empty payload clears [MQTT-3.3.1-5..7]. Sent before `publish` fans
   * out.
   */
  store(message: Message, done: ((status: RetainStatus) => void) | null): void;
  /**
   * `filter` without share prefix. `limit` 0 = all. Leading wildcards do not match `$` topics
   * [MQTT-4.7.2-1]. `form`: what its batches hold; MESSAGES when left out.
   */
  scan(tenantId: string, filter: string, limit: number, form?: RetainForm): RetainScan;
}
