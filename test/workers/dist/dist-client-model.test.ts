/**
 * Several workers, any order of records, restarts in between: each subscription that was confirmed
 * is matched by every worker, and when all is at rest all workers agree.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Subscription } from "../../../src/workers/dist/subscription.ts";
import { DistWorkers, FakeReceiver, QOS_0, storedRoute, subscriptionOf } from "./dist-workers.ts";

const WORKERS = 3;
const FILTERS = ["a", "b", "$share/g/a", "$share/g/b", "$oshare/g/a"] as const;

const thread = fc.integer({ min: 1, max: WORKERS });
const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      name: fc.constant("subscribe" as const),
      thread,
      filter: fc.constantFrom(...FILTERS),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ name: fc.constant("unsubscribe" as const), pick: fc.nat() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      name: fc.constant("inbox" as const),
      thread,
      shared: fc.boolean(),
      added: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ name: fc.constant("online" as const), thread, isOnline: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ name: fc.constant("flush" as const), thread }) },
  {
    weight: 12,
    arbitrary: fc.record({ name: fc.constant("deliver" as const), source: thread, target: thread }),
  },
  { weight: 1, arbitrary: fc.record({ name: fc.constant("restart" as const), thread }) },
);
type Step = typeof anyStep extends fc.Arbitrary<infer One> ? One : never;

interface Live {
  readonly thread: number;
  readonly subscription: Subscription;
  isConfirmed: boolean;
}

class Scenario {
  readonly workers = new DistWorkers(WORKERS);
  readonly live: Live[] = [];
  readonly inboxes = new Set<string>();
  /** Workers that have not learnt all routes yet: they serve nobody. */
  readonly starting = new Set<number>();
  #clients = 0;

  run(step: Step): void {
    const { workers } = this;
    if (step.name === "subscribe") this.#subscribe(step.thread, step.filter);
    else if (step.name === "unsubscribe") this.#unsubscribe(step.pick);
    else if (step.name === "inbox") this.#inbox(step.thread, step.shared, step.added);
    else if (step.name === "flush") workers.worker(step.thread).client.flush();
    else if (step.name === "deliver") workers.mesh.deliver(step.source, step.target);
    else if (step.name === "restart") this.#restart(step.thread);
    else {
      workers.worker(step.thread).client.setOnline("t", `i${step.thread}`, step.isOnline);
    }
  }

  /** Who has its SUBACK is matched by every worker that serves. */
  check(): void {
    for (const { thread: owner, subscription, isConfirmed } of this.live) {
      if (!isConfirmed) continue;
      for (let at = 1; at <= WORKERS; at += 1) {
        if (this.starting.has(at)) continue;
        const found = this.workers.matches(at, subscription.filter).join("; ");
        const wanted =
          subscription.share === null ? `worker ${owner}` : subscription.receiver.clientId;
        assert.ok(found.includes(wanted), `worker ${at} matches ${found}, not ${wanted}`);
      }
    }
  }

  #subscribe(on: number, filter: string): void {
    if (this.starting.has(on)) return;
    this.#clients += 1;
    const receiver = new FakeReceiver(`<${this.#clients}>`);
    const one = { thread: on, subscription: subscriptionOf(receiver, filter), isConfirmed: false };
    this.live.push(one);
    this.workers.worker(on).client.subscribe("t", one.subscription, () => {
      one.isConfirmed = true;
    });
  }

  #unsubscribe(pick: number): void {
    if (this.live.length === 0) return;
    const [one] = this.live.splice(pick % this.live.length, 1);
    this.workers.worker(one!.thread).client.unsubscribe("t", one!.subscription);
  }

  #inbox(on: number, shared: boolean, added: boolean): void {
    if (this.starting.has(on)) return;
    const { client } = this.workers.worker(on);
    const route = storedRoute("a", `i${on}`, { group: shared ? "g" : "" });
    const key = `${on} ${shared}`;
    if (added) client.addStored(route, QOS_0, () => {});
    else if (this.inboxes.has(key)) client.removeStored(route, () => {});
    if (added) this.inboxes.add(key);
    else this.inboxes.delete(key);
  }

  #restart(on: number): void {
    const kept = this.live.filter((one) => one.thread !== on);
    this.live.splice(0, this.live.length, ...kept);
    const worker = this.workers.replace(on);
    // What its ranges hold is restored from the store.
    for (const shared of [true, false]) {
      if (!this.inboxes.has(`${on} ${shared}`)) continue;
      worker.client.restoreStored(storedRoute("a", `i${on}`, { group: shared ? "g" : "" }), QOS_0);
    }
    this.starting.add(on);
    worker.client.synchronize(this.workers.peersOf(on), () => this.starting.delete(on));
  }
}

test("dist: whatever happens in whatever order, confirmed subscriptions are matched everywhere", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 120 }), (steps) => {
      const scenario = new Scenario();
      for (const step of steps) {
        scenario.run(step);
        scenario.check();
      }
      scenario.workers.run();
      scenario.check();
      assert.equal(scenario.starting.size, 0);
      assert.ok(scenario.live.every(({ isConfirmed }) => isConfirmed));
      for (const topic of ["a", "b"]) {
        const [first, ...others] = [1, 2, 3].map((at) => scenario.workers.matches(at, topic));
        for (const other of others) assert.deepEqual(other, first);
      }
      while (scenario.live.length > 0) scenario.run({ name: "unsubscribe", pick: 0 });
      for (const key of [...scenario.inboxes]) {
        const [owner, shared] = key.split(" ");
        const isShared = shared === "true";
        scenario.run({ name: "inbox", thread: Number(owner), shared: isShared, added: false });
      }
      scenario.workers.run();
      for (const { index } of scenario.workers.all) assert.equal(index.filterCount, 0);
    }),
    { numRuns: 200 },
  );
});
