/** Stores and scans of retained messages over a ServiceWorkers, for the tests of the service. */

import assert from "node:assert/strict";
import type { Message } from "../../../src/shared/mqtt/message.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { retainRangeKey } from "../../../src/shared/retain/retain-key.ts";
import type { RetainedBatch } from "../../../src/shared/retain/retained-batch.ts";
import type { RetainScan, RetainStatus } from "../../../src/workers/retain/retain-api.ts";
import { message, type ServiceWorkers, topicOf } from "../../helpers/service-workers.ts";

const encoder = new TextEncoder();

/** The worker that has a topic's range. */
export function homeOf(workers: ServiceWorkers, topic: string, tenantId = "t"): number {
  const key = retainRangeKey(tenantId, encoder.encode(topic));
  return workers.ranges.ends(1).client.ownerThread(ServiceId.RETAIN, key);
}

export interface Batch {
  readonly messages: readonly Message[];
  readonly isEnd: boolean;
}

export function retain(
  workers: ServiceWorkers,
  topics: readonly string[],
  payload = "x",
): RetainStatus[] {
  const statuses: RetainStatus[] = [];
  for (const topic of topics) {
    const stored = message({ topic, payload, retain: true, receivedAtMs: workers.nowMs });
    workers.services(1).retainClient.store(stored, (status) => statuses.push(status));
  }
  workers.run();
  return statuses;
}

export function numbered(count: number, prefix = "n"): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}/${i}`);
}

export function owned(batch: RetainedBatch): Message[] {
  const messages: Message[] = [];
  while (batch.advance()) messages.push(batch.record.own());
  return messages;
}

export function next(workers: ServiceWorkers, scan: RetainScan, maxMessages: number): Batch {
  const batches: Batch[] = [];
  scan.next(maxMessages, (batch, isEnd) => batches.push({ messages: owned(batch), isEnd }));
  workers.run();
  assert.equal(batches.length, 1, "answered once");
  return batches[0]!;
}

/** Runs a scan on worker 2 to its end. */
export function collect(
  workers: ServiceWorkers,
  filter: string,
  maxMessages = 10,
  limit = 0,
): string[] {
  return collectOn(workers, 2, filter, maxMessages, limit);
}

export function collectOn(
  workers: ServiceWorkers,
  thread: number,
  filter: string,
  maxMessages = 10,
  limit = 0,
): string[] {
  const scan = workers.services(thread).retainClient.scan("t", filter, limit);
  const topics: string[] = [];
  for (;;) {
    const { messages, isEnd } = next(workers, scan, maxMessages);
    assert.ok(messages.length <= maxMessages);
    assert.ok(isEnd || messages.length > 0, "no empty batch before the end");
    topics.push(...messages.map(topicOf));
    if (isEnd) return topics.sort();
  }
}

/** When workers 1 to 3 next want to be called. */
export function deadlines(workers: ServiceWorkers): number[] {
  return [1, 2, 3].map((thread) => workers.services(thread).nextDeadlineMs);
}
