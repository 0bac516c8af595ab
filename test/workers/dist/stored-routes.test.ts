/**
 * Routes of stored sessions through the log of their range: every worker's match index follows, and
 * they are there again when workers come back.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { distRangeKey } from "../../../src/shared/dist/dist-key.ts";
import type { StoredRoute } from "../../../src/shared/dist/dist-log-command.ts";
import { makeId } from "../../../src/shared/inbox/range/inbox-key.ts";
import { sharedWordsSize } from "../../../src/shared/metrics/shared-words.ts";
import { bootstrapPlan } from "../../../src/shared/range/bootstrap-plan.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { FIXED_HASH_KEY } from "../../../src/shared/topic/level-hash.ts";
import { DistClient } from "../../../src/workers/dist/dist-client.ts";
import { DistService } from "../../../src/workers/dist/dist-service.ts";
import { MatchIndex } from "../../../src/workers/dist/match-index.ts";
import { MemberTable } from "../../../src/workers/dist/member-table.ts";
import { RouteTable } from "../../../src/workers/dist/route-table.ts";
import { StoredRoutes } from "../../../src/workers/dist/stored-routes.ts";
import { FakeMesh } from "../../helpers/fake-ring.ts";
import { InstantRanges } from "../../helpers/instant-ranges.ts";
import { options, storedRoute } from "./dist-workers.ts";

/** The one range of routes lies on worker 1. */
const OWNER = 1;
const QOS_1 = options({ qos: 1 });

interface Worker {
  readonly table: RouteTable;
  readonly index: MatchIndex;
  readonly dist: DistClient;
  readonly service: DistService;
  readonly routes: StoredRoutes;
  isSynchronized: boolean;
}

class World {
  readonly mesh: FakeMesh;
  readonly ranges: InstantRanges;
  readonly answers: boolean[] = [];
  nowMs = 1_000_000;
  readonly #words: Int32Array;
  readonly #workers: Worker[] = [];

  constructor(workers: number) {
    this.mesh = new FakeMesh(workers);
    this.#words = new Int32Array(new SharedArrayBuffer(sharedWordsSize(workers)));
    this.ranges = new InstantRanges(this.mesh, () => this.nowMs, [ServiceId.DIST]);
    for (let thread = 1; thread <= workers; thread++) this.#start(thread);
    this.run();
    assert.ok(this.#workers.every(({ isSynchronized }) => isSynchronized));
  }

  worker(thread: number): Worker {
    return this.#workers[thread]!;
  }

  cycle(): void {
    this.ranges.mainTurn();
    this.#workers.forEach(({ service, dist }, thread) => {
      this.ranges.hostTurn(thread);
      service.flush();
      dist.flush();
      this.ranges.clientTurn(thread);
    });
  }

  run(): void {
    this.mesh.pump(() => this.cycle());
  }

  /** As `run`, and state that is only in memory and log is written. */
  collect(): void {
    this.nowMs += 60_000;
    this.run();
  }

  add(thread: number, route: StoredRoute, fields = QOS_1): void {
    this.worker(thread).routes.addInboxRoute(route, fields, (isDone) => this.answers.push(isDone));
  }

  remove(thread: number, route: StoredRoute): void {
    this.worker(thread).routes.removeInboxRoute(route, (isDone) => this.answers.push(isDone));
  }

  takeAnswers(): boolean[] {
    return this.answers.splice(0);
  }

  /** Workers that match the route, for its incarnation. */
  matching(route: StoredRoute): number[] {
    return [...this.#workers.keys()].filter((thread) => {
      return thread > 0 && this.worker(thread).routes.hasInboxRoute(route, QOS_1);
    });
  }

  /** The worker dies and comes back; nothing is delivered yet. */
  restart(thread: number): void {
    this.mesh.replace(thread);
    this.ranges.lost(thread);
    this.#workers.forEach(({ dist, service, routes }, peer) => {
      if (peer === thread) return;
      dist.peerLost(thread);
      service.peerLost(thread);
      routes.peerLost(thread);
    });
    this.#start(thread);
  }

  /** As worker-runtime.ts: learns its peers' routes when the ranges are served. */
  #start(thread: number): void {
    const endpoint = this.mesh.endpoint(thread);
    const index = new MatchIndex(FIXED_HASH_KEY);
    const table = new RouteTable(index);
    const dist = new DistClient(endpoint, index, table, new MemberTable(this.#words, thread));
    const { host, client } = this.ranges.start(thread);
    const routes = new StoredRoutes(endpoint, dist, client);
    const service = new DistService(endpoint, dist, host, routes);
    const worker = { table, index, dist, service, routes, isSynchronized: false };
    let isServing = false;
    client.onDirectory(() => {
      if (isServing) return;
      isServing = true;
      const peers = [...this.#workers.keys()].filter((peer) => peer > 0 && peer !== thread);
      dist.synchronize(peers, () => {
        worker.isSynchronized = true;
      });
    });
    this.ranges.open(thread);
    this.#workers[thread] = worker;
  }
}

const SHARED = storedRoute("a/+", "member", { group: "g" });
const PLAIN = storedRoute("a/+", "plain");

test("stored routes: done when every worker matches, gone when none does", () => {
  const world = new World(3);
  for (const route of [PLAIN, SHARED]) {
    world.add(2, route);
    world.run();
    assert.deepEqual(world.takeAnswers(), [true]);
    assert.deepEqual(world.matching(route), [1, 2, 3]);
    world.remove(3, route);
    world.run();
    assert.deepEqual(world.takeAnswers(), [true]);
    assert.deepEqual(world.matching(route), []);
  }
  for (const thread of [1, 2, 3]) assert.equal(world.worker(thread).index.filterCount, 0);
});

test("stored routes: nothing is answered before the last worker has followed", () => {
  const world = new World(3);
  world.add(2, PLAIN);
  for (let round = 0; round < 50; round++) {
    world.cycle();
    for (const [source, target] of [
      [0, 1],
      [1, 0],
      [0, 2],
      [2, 0],
      [1, 2],
      [2, 1],
      [1, 1],
    ] as const) {
      world.mesh.deliver(source, target);
    }
  }
  assert.deepEqual(world.matching(PLAIN), [1, 2], "worker 3 hears nothing");
  assert.deepEqual(world.takeAnswers(), []);
  world.run();
  assert.deepEqual(world.matching(PLAIN), [1, 2, 3]);
  assert.deepEqual(world.takeAnswers(), [true]);
});

test("stored routes: those of a range's lost sessions go, and nobody else's", () => {
  const world = new World(2);
  const bucket = 9;
  const lost = storedRoute("a/+", "lost", { incarnation: makeId(5, bucket) });
  const kept = [
    storedRoute("a/+", "later", { incarnation: makeId(7, bucket) }),
    storedRoute("a/+", "elsewhere", { incarnation: makeId(5, 3000) }),
  ];
  for (const route of [lost, ...kept]) world.add(2, route);
  world.run();
  const half = bootstrapPlan(2).find(({ service }) => service === ServiceId.INBOX)!;
  const ends: boolean[] = [];
  for (const thread of [1, 2]) {
    world.worker(thread).service.dropRoutes(half, makeId(7, 0), (areGone) => ends.push(areGone));
  }
  world.run();
  assert.deepEqual(ends, [true, true]);
  assert.deepEqual(world.matching(lost), []);
  for (const route of kept) assert.deepEqual(world.matching(route), [1, 2]);
});

for (const isCollected of [false, true]) {
  const from = isCollected ? "state" : "log";
  test(`stored routes: a worker that comes back finds them, read from the ${from}`, () => {
    const world = new World(3);
    const removed = storedRoute("b", "removed");
    for (const route of [PLAIN, SHARED, removed]) world.add(2, route);
    world.run();
    world.remove(2, removed);
    if (isCollected) world.collect();
    else world.run();
    for (const thread of [OWNER, 3]) {
      world.restart(thread);
      for (const peer of [1, 2, 3].filter((one) => one !== thread)) {
        assert.ok(world.matching(PLAIN).includes(peer), "the others match all the time");
      }
      world.run();
      for (const route of [PLAIN, SHARED]) assert.deepEqual(world.matching(route), [1, 2, 3]);
      assert.deepEqual(world.matching(removed), []);
      assert.ok(world.worker(thread).isSynchronized);
    }
  });
}

test("stored routes: a worker does not serve before it matches what was stored", () => {
  const world = new World(2);
  world.add(2, PLAIN);
  world.run();
  world.restart(OWNER);
  world.restart(2);
  for (let round = 0; round < 200 && !world.worker(2).isSynchronized; round++) {
    world.cycle();
    for (const source of [0, 1, 2])
      for (const target of [0, 1, 2]) world.mesh.deliver(source, target);
  }
  assert.ok(world.worker(2).isSynchronized);
  assert.ok(world.worker(2).routes.hasInboxRoute(PLAIN, QOS_1));
});

test("stored routes: an earlier session's clean-up leaves the later one's route alone", () => {
  const world = new World(2);
  const later = { ...PLAIN, incarnation: 5 };
  world.add(1, PLAIN);
  world.add(1, later);
  world.run();
  world.remove(2, PLAIN);
  world.run();
  assert.deepEqual(world.takeAnswers(), [true, true, true]);
  assert.deepEqual(world.matching(later), [1, 2]);
  world.add(2, PLAIN, options({ qos: 2 }));
  world.run();
  assert.deepEqual(world.matching(later), [1, 2], "nor does it come back");
  world.remove(2, later);
  world.run();
  assert.deepEqual(world.matching(later), []);
});

test("stored routes: who asked a worker that died asks again, and is answered once", () => {
  const world = new World(2);
  world.add(2, PLAIN);
  world.cycle();
  world.mesh.deliver(2, 0);
  world.restart(OWNER);
  assert.deepEqual(world.takeAnswers(), [false]);
  world.run();
  assert.deepEqual(world.takeAnswers(), [], "what came of the first try is nobody's any more");
  world.add(2, PLAIN);
  world.run();
  assert.deepEqual(world.takeAnswers(), [true]);
  assert.deepEqual(world.matching(PLAIN), [1, 2]);
});

test("stored routes: without a range nothing is promised", () => {
  const mesh = new FakeMesh(1);
  const ranges = new InstantRanges(mesh, () => 0, [ServiceId.DIST]);
  const { client } = ranges.start(1);
  const index = new MatchIndex(FIXED_HASH_KEY);
  const words = new Int32Array(new SharedArrayBuffer(sharedWordsSize(1)));
  const dist = new DistClient(
    mesh.endpoint(1),
    index,
    new RouteTable(index),
    new MemberTable(words, 1),
  );
  const routes = new StoredRoutes(mesh.endpoint(1), dist, client);
  assert.equal(client.ownerThread(ServiceId.DIST, distRangeKey(PLAIN)), 0);
  const answers: boolean[] = [];
  routes.addInboxRoute(PLAIN, QOS_1, (isDone) => answers.push(isDone));
  routes.removeInboxRoute(PLAIN, (isDone) => answers.push(isDone));
  assert.deepEqual(answers, [false, false]);
});
