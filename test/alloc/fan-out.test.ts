/**
 * Fan-out allocates per publish at most, never per delivery: measured by V8's counter of bytes ever
 * allocated, which Node 20 lacks. Receivers take the packet as a session does, short of copying it
 * into an output buffer.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { COUNTER_COLUMNS } from "../../src/shared/metrics/counter-table.ts";
import { sharedWordsSize } from "../../src/shared/metrics/shared-words.ts";
import { createRing } from "../../src/shared/ring/ring-layout.ts";
import { RingPort } from "../../src/shared/ring/ring-port.ts";
import { DEFAULT_TENANT_SETTINGS } from "../../src/shared/tenant/tenant-settings.ts";
import { FIXED_HASH_KEY } from "../../src/shared/topic/level-hash.ts";
import { BorrowedPublish } from "../../src/workers/dist/borrowed-publish.ts";
import { DeliverLink } from "../../src/workers/dist/deliver-link.ts";
import { DistClient } from "../../src/workers/dist/dist-client.ts";
import { MatchIndex } from "../../src/workers/dist/match-index.ts";
import { MemberTable } from "../../src/workers/dist/member-table.ts";
import { DistPublisher } from "../../src/workers/dist/publisher.ts";
import { RouteTable } from "../../src/workers/dist/route-table.ts";
import { type LocalReceiver, Subscription } from "../../src/workers/dist/subscription.ts";
import type { InboxClient } from "../../src/workers/inbox/inbox-api.ts";
import type { RetainClient } from "../../src/workers/retain/retain-api.ts";
import { decode } from "../helpers/decoding.ts";
import { publish } from "../helpers/packets.ts";

const RING_BYTES = 64 * 1024;
const PUBLISHES = 20_000;
/**
 * Bytes per publish: views of the packet as it arrived and as it was encoded anew, about 320. One
 * object for each of 100 deliveries would be 1600 at least.
 */
const MAX_BYTES_PER_PUBLISH = 600;
/**
 * Between two runs, which differ by 900 deliveries per publish: less than 0.2 bytes per delivery.
 */
const MAX_DIFFERENCE = 150;

/** Undefined where this Node has no such counter. */
function allocatedBytes(): number | undefined {
  const total: unknown = Reflect.get(getHeapStatistics(), "total_allocated_bytes");
  return typeof total === "number" ? total : undefined;
}

const skip = allocatedBytes() === undefined ? "this Node does not count allocated bytes" : false;

/** Counts bytes; a class, so that all receivers have one shape as sessions do. */
class CountingReceiver implements LocalReceiver {
  readonly clientId: string;
  readonly isV5: boolean;
  matchStamp = 0;
  matchQos = 0;
  matchRetain = false;
  matchIdentifiers: readonly number[] | null = null;
  mergedIdentifiers: number[] | null = null;
  deliveries = 0;

  constructor(clientId: string, isV5: boolean) {
    this.clientId = clientId;
    this.isV5 = isV5;
  }

  deliver(borrowed: BorrowedPublish, qos: number, retain: boolean): void {
    if (borrowed.packet(this.isV5, qos, retain).length > 0) this.deliveries += 1;
  }

  deliverRun(): boolean {
    return false;
  }
}

interface Worker {
  readonly port: RingPort;
  readonly client: DistClient;
  readonly publisher: DistPublisher;
}

const UNUSED = new Proxy({}, { get: () => assert.fail("no inbox, nothing retained") });

function makeWorker(thread: number, rings: readonly (readonly SharedArrayBuffer[])[]): Worker {
  const port = new RingPort({
    threadIndex: thread,
    inbound: rings.map((row) => row[thread]!),
    outbound: rings[thread]!,
    ringBell: () => {},
  });
  const index = new MatchIndex(FIXED_HASH_KEY);
  const table = new RouteTable(index);
  const loads = new Int32Array(new SharedArrayBuffer(sharedWordsSize(rings.length)));
  const members = new MemberTable(loads, thread);
  const counters = new Float64Array(COUNTER_COLUMNS);
  const publisher = new DistPublisher({
    endpoint: port,
    index,
    table,
    members,
    link: new DeliverLink(port, counters),
    loads,
    counters,
    inbox: UNUSED as InboxClient,
    retain: UNUSED as RetainClient,
    nowMs: () => 1_000_000,
    random: () => 0,
    settings: () => DEFAULT_TENANT_SETTINGS,
    shareStrategy: () => "least_inflight",
    areRoutesWhole: () => true,
  });
  return { port, client: new DistClient(port, index, table, members), publisher };
}

/** Main and workers 1..3 in this one thread, over real rings. */
class Setup {
  readonly workers: Worker[];

  constructor() {
    const threads = [0, 1, 2, 3];
    const rings = threads.map(() => threads.map(() => createRing(RING_BYTES)));
    this.workers = threads.slice(1).map((thread) => makeWorker(thread, rings));
  }

  /** `count` clients on worker `thread`, 3.1.1 and 5 in turn, each subscribes to all `filters`. */
  subscribe(thread: number, count: number, filters: readonly string[]): CountingReceiver[] {
    const receivers = Array.from({ length: count }, (_, index) => {
      return new CountingReceiver(`c${index}`, index % 2 === 0);
    });
    const options = { qos: 2, noLocal: true, retainAsPublished: false, subscriptionIdentifier: 0 };
    for (const receiver of receivers) {
      for (const filter of filters) {
        const subscription = new Subscription(receiver, filter, filter, null, options);
        this.workers[thread - 1]!.client.subscribe("t", subscription, () => {});
      }
    }
    this.run();
    return receivers;
  }

  /** Duty cycles until nothing moves. */
  run(): void {
    for (let moved = 1; moved > 0; ) {
      moved = 0;
      for (const { client, port } of this.workers) {
        client.flush();
        port.flush();
      }
      for (const { port } of this.workers) moved += port.drain(512);
    }
  }
}

/** Bytes per publish from worker 1, warmed up. */
function bytesPerPublish(setup: Setup, content: Uint8Array): number {
  const { view } = decode(content, 5);
  const borrowed = new BorrowedPublish();
  const { publisher } = setup.workers[0]!;
  const round = () => {
    for (let index = 0; index < PUBLISHES; index += 1) {
      borrowed.loadView(view, true, null, "t", "publisher", 1_000_000);
      publisher.publishBorrowed(borrowed, null);
      setup.run();
    }
  };
  round();
  const before = allocatedBytes() ?? 0;
  round();
  return ((allocatedBytes() ?? 0) - before) / PUBLISHES;
}

interface Workload {
  readonly name: string;
  readonly filters: readonly string[];
  readonly qos: number;
}

const WORKLOADS: readonly Workload[] = [
  { name: "QoS 0", filters: ["a/b"], qos: 0 },
  { name: "QoS 0, overlapping subscriptions", filters: ["a/b", "a/+", "#"], qos: 0 },
  { name: "QoS 1", filters: ["a/b"], qos: 1 },
];

for (const { name, filters, qos } of WORKLOADS) {
  test(`allocation: ${name}: a publish to 1000 subscribers allocates what one to 100 does`, {
    skip,
  }, () => {
    const content = publish({ topic: "a/b", payload: "x".repeat(64), qos });
    const [few, many] = [100, 1000].map((count) => {
      const setup = new Setup();
      const receivers = setup.subscribe(1, count, filters);
      const bytes = bytesPerPublish(setup, content);
      assert.ok(receivers.every(({ deliveries }) => deliveries === 2 * PUBLISHES));
      return bytes;
    });
    const found = `${few?.toFixed(0)} bytes for 100, ${many?.toFixed(0)} for 1000`;
    assert.ok(few !== undefined && few < MAX_BYTES_PER_PUBLISH, found);
    assert.ok(many !== undefined && Math.abs(many - few) < MAX_DIFFERENCE, found);
  });
}

test("allocation: subscribers on other workers cost nothing per delivery either", { skip }, () => {
  const content = publish({ topic: "a/b", payload: "x".repeat(32) });
  const [few, many] = [10, 500].map((count) => {
    const setup = new Setup();
    const receivers = [2, 3].flatMap((thread) => setup.subscribe(thread, count, ["a/b", "#"]));
    const bytes = bytesPerPublish(setup, content);
    assert.ok(receivers.every(({ deliveries }) => deliveries === 2 * PUBLISHES));
    return bytes;
  });
  const found = `${few?.toFixed(0)} bytes for 20, ${many?.toFixed(0)} for 1000`;
  assert.ok(few !== undefined && many !== undefined, found);
  assert.ok(Math.abs(many - few) < MAX_DIFFERENCE, found);
});
