/** What ranges do when something is damaged, full, lost or too much. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { listRanges } from "../../../src/main/ranges/list-ranges.ts";
import { RefusalReason } from "../../../src/shared/range/refusal-reason.ts";
import { StateDamage } from "../../../src/workers/store/state-seal.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { until } from "../../helpers/deadline.ts";
import { RangeRig, SERVICE, soon } from "../../helpers/range-rig.ts";
import type { TraceMachine } from "../../helpers/trace-machine.ts";
import { scratchFolder } from "../store/store-fixtures.ts";
import { collected, damage, isOfRange, isStateOfRange2, startDamaged } from "./rotten-rows.ts";

async function damagedNode(table: StoreTable): Promise<RangeRig> {
  const rig = new RangeRig({ workers: 2, stores: 1 });
  await rig.serve();
  rig.propose(1, 10, 1);
  rig.turn(1);
  // Appended, and not collected: the entry is needed at the next start.
  for (let round = 0; round < 10; round++) {
    rig.mesh.pump(() => rig.turnAll());
    await soon();
  }
  await startDamaged(rig, table, isOfRange(2));
  return rig;
}

test("ranges: a range with a rotten log entry is set aside and named, the others serve", async () => {
  const rig = await damagedNode(StoreTable.LOG);
  const listing = listRanges(rig.main.groups).find(({ id }) => id === 2);
  assert.equal(listing?.state, "damaged");
  assert.equal(listing?.service, "inbox");
  assert.match(listing?.damage ?? "", /entry|checksum/);
  rig.propose(2, 10, 2);
  await rig.settle();
  assert.deepEqual(
    rig.refused.map(({ command, reason }) => [command.number, reason]),
    [[2, RefusalReason.DAMAGED]],
  );
  await assert.rejects(rig.main.lifeCycle.split(2, null), /set aside/);
  assert.deepEqual(
    listRanges(rig.main.groups).map(({ id, state }) => [id, state]),
    [
      [1, "serving"],
      [2, "damaged"],
      [3, "serving"],
    ],
  );
});

test("ranges: a rotten state row sets its range aside when it is opened, the others serve", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  rig.propose(1, 10, 1);
  await collected(rig);
  assert.equal(damage(rig, StoreTable.STATE, isStateOfRange2), 1);
  rig.boot();
  await rig.serve();
  const states = () => listRanges(rig.main.groups).map(({ id, state }) => [id, state]);
  assert.deepEqual(states(), [
    [1, "serving"],
    [2, "damaged"],
    [3, "serving"],
    [4, "serving"],
    [5, "serving"],
  ]);
  assert.match(listRanges(rig.main.groups)[1]?.damage ?? "", /state row 820a: its checksum/);
  // Whole again: it was the reading that was wrong.
  assert.equal(damage(rig, StoreTable.STATE, isStateOfRange2), 1);
  rig.boot();
  await rig.serve();
  assert.equal(states()[1]?.[1], "serving");
  assert.deepEqual(rig.lists().get(10), [{ proposer: 1, number: 1 }]);
});

test("ranges: a row that rots while its range is served ends its thread once, not the next one", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  rig.propose(1, 10, 1);
  await collected(rig);
  assert.equal(damage(rig, StoreTable.STATE, isStateOfRange2), 1);
  const [range] = rig.worker(1).host.ownedBy(SERVICE);
  assert.throws(() => (range!.machine as TraceMachine).storedKeys(), StateDamage);
  rig.restartWorker(1);
  await rig.serve();
  assert.equal(listRanges(rig.main.groups)[1]?.state, "damaged");
  rig.propose(2, 200, 2);
  await rig.settle();
  assert.equal(rig.acknowledged.at(-1)?.number, 2);
});

/** A command of range 2's that its machine fails over, in the log and not collected. */
async function poison(rig: RangeRig): Promise<void> {
  rig.onApply = ({ number }) => assert.notEqual(number, 2, "what the head counts is there");
  rig.propose(1, 10, 1);
  rig.propose(2, 200, 3);
  await rig.settle();
  rig.propose(1, 10, 2);
  await assert.rejects(rig.settle(), /log entry \d+: applying it failed .*what the head counts/);
}

test("ranges: a log entry that its machine fails over twice sets its range aside, the others serve", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  await poison(rig);
  let deaths = 1;
  for (let isServing = false; !isServing; ) {
    rig.restartWorker(1);
    try {
      await rig.serve();
      isServing = true;
    } catch (error) {
      assert.match(String(error), /applying it failed/);
      deaths += 1;
    }
  }
  assert.ok(deaths <= 2, `${deaths} threads died of it`);
  const damaged = () => listRanges(rig.main.groups).find(({ id }) => id === 2);
  assert.equal(damaged()?.state, "damaged");
  assert.match(damaged()?.damage ?? "", /log entry \d+: applying it failed/);
  rig.propose(1, 200, 4);
  await rig.settle();
  assert.deepEqual(
    rig
      .lists()
      .get(200)
      ?.map(({ number }) => number),
    [3, 4],
  );
  rig.boot();
  await rig.serve();
  assert.equal(damaged()?.state, "damaged");
});

test("ranges: an entry that a machine failed over once, by chance, is applied by the next one", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  await poison(rig);
  rig.onApply = () => {};
  rig.restartWorker(1);
  await rig.serve();
  assert.deepEqual(
    rig
      .lists()
      .get(10)
      ?.map(({ number }) => number),
    [1, 2],
  );
});

test("ranges: a range without a readable record leaves a hole, and no second bootstrap", async () => {
  const rig = await damagedNode(StoreTable.RECORDS);
  assert.deepEqual([...rig.main.groups.groups.keys()].sort(), [1, 3]);
  const listing = listRanges(rig.main.groups).find(({ id }) => id === 2);
  assert.deepEqual([listing?.state, listing?.service], ["damaged", null]);
  assert.equal(rig.worker(1).client.ownerThread(SERVICE, Uint8Array.of(10)), 0);
  rig.propose(2, 10, 2);
  await rig.settle();
  assert.deepEqual(
    rig.refused.map(({ reason }) => reason),
    [RefusalReason.UNAVAILABLE],
  );
});

test("ranges: every worker hears that routes are missing when a range of theirs is set aside", async () => {
  for (const table of [StoreTable.RECORDS, StoreTable.LOG]) {
    const rig = new RangeRig({ workers: 2, stores: 1 });
    await rig.serve();
    const seen = () => rig.workers.map(({ client }) => client.areRoutesWhole);
    assert.deepEqual(seen(), [true, true]);
    // With the sessions' range: else the routes are made anew at once.
    await startDamaged(rig, table, (key) => isOfRange(1)(key) || isOfRange(2)(key));
    rig.nowMs += 60_000;
    await rig.settle();
    rig.main.tick(rig.nowMs);
    await rig.settle();
    assert.deepEqual(seen(), [false, false]);
    assert.equal(rig.main.groups.areRoutesWhole, false);
  }
});

test("ranges: routes that are damaged are made anew without being told", async (t) => {
  const rig = new RangeRig({ workers: 2, stores: 2, folder: scratchFolder(t) });
  await rig.serve();
  await startDamaged(rig, StoreTable.RECORDS, isOfRange(1));
  await until(async () => {
    await rig.settle();
    rig.main.tick(rig.nowMs);
    return rig.main.groups.areRoutesWhole;
  }, "the routes");
  assert.equal(rig.main.groups.damaged.size, 0);
  assert.deepEqual([...rig.notes[0]!.ranges], [], "it counts as whole, also after a restart");
  await rig.settle();
  assert.ok(rig.workers.every(({ client }) => client.areRoutesWhole));
});

test("ranges: the time that stored state has reached is known when it is replayed", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1 });
  await rig.serve();
  const hourMs = 3_600_000;
  rig.nowMs += 10 * hourMs;
  const aheadMs = rig.nowMs;
  rig.propose(1, 10, 1);
  await rig.settle();
  rig.nowMs -= 10 * hourMs;
  rig.boot();
  await rig.serve();
  assert.ok(rig.worker(1).host.reachedMs >= aheadMs);
});

test("ranges: after a failed commit nothing is acknowledged and the process is told to end", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1, holdsCommits: true });
  await rig.serve();
  rig.propose(1, 10, 1);
  for (let round = 0; rig.commits.length === 0; round++) {
    assert.ok(round < 100);
    rig.turnAll();
    rig.mesh.deliver(1, 0);
    rig.mesh.deliver(0, 1);
  }
  rig.commits.splice(0)[0]!.fail(new Error("EIO"));
  await soon();
  assert.match(JSON.stringify(rig.fatal), /"storeId":1/);
  rig.propose(1, 10, 2);
  await rig.settle();
  assert.equal(rig.acknowledged.length, 0);
});

test("ranges: a dead worker's open commands are refused as lost, later ones served again", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2, holdsCommits: true });
  await rig.serve();
  rig.propose(2, 10, 1);
  rig.turn(2);
  rig.restartWorker(1);
  rig.turn(0);
  rig.mesh.deliver(0, 2);
  assert.deepEqual(
    rig.refused.map(({ reason }) => reason),
    [RefusalReason.LOST],
  );
  await rig.serve();
  rig.propose(2, 10, 2);
  await rig.settle();
  assert.deepEqual(
    rig.acknowledged.map(({ number }) => number),
    [2],
  );
});

test("ranges: what was gathered behind lost commands does not overtake their repeat [MQTT-4.6.0-6]", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2, holdsCommits: true });
  await rig.serve();
  rig.propose(2, 10, 1);
  rig.turn(2);
  rig.propose(2, 10, 2);
  rig.restartWorker(1);
  rig.turn(0);
  rig.mesh.deliver(0, 2);
  assert.deepEqual(
    rig.refused.map(({ command, reason }) => [command.number, reason]),
    [
      [1, RefusalReason.LOST],
      [2, RefusalReason.LOST],
    ],
  );
  await rig.serve();
  for (const number of [1, 2]) rig.propose(2, 10, number);
  await rig.settle();
  assert.deepEqual(
    rig
      .lists()
      .get(10)
      ?.map(({ number }) => number),
    [1, 2],
  );
  assert.equal(rig.worker(2).client.openCount, 0);
});

test("ranges: what a dead worker left in the log is done, and not answered", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2, holdsCommits: true });
  await rig.serve();
  rig.propose(2, 10, 1);
  for (let round = 0; rig.commits.length === 0; round++) {
    assert.ok(round < 100);
    rig.turnAll();
    rig.mesh.deliver(2, 0);
    rig.mesh.deliver(0, 1);
  }
  // Durable, and its worker dies before main hears of it.
  rig.completeCommit(0);
  await soon();
  rig.restartWorker(1);
  await rig.serve();
  await rig.settle();
  assert.deepEqual(rig.lists().get(10), [{ proposer: 2, number: 1 }]);
  assert.equal(rig.acknowledged.length, 0);
  assert.equal(rig.refused[0]?.reason, RefusalReason.LOST);
});

test("ranges: a full disk is told to every worker, and its end too", async () => {
  const rig = new RangeRig({ workers: 2, stores: 1 });
  await rig.serve();
  const seen = () => rig.workers.map(({ client }) => client.isDiskFull);
  assert.deepEqual(seen(), [false, false]);
  rig.main.groups.setDiskFull(true);
  await rig.settle();
  assert.deepEqual(seen(), [true, true]);
  rig.propose(1, 10, 1);
  await rig.settle();
  assert.equal(rig.acknowledged.length, 1, "what must go on goes on");
  rig.main.groups.setDiskFull(false);
  await rig.settle();
  assert.deepEqual(seen(), [false, false]);
});

test("range client: too much unsettled is congestion, and its end is told once", async () => {
  const unsettledBytes = 1000;
  const rig = new RangeRig({ workers: 1, stores: 1, holdsCommits: true, unsettledBytes });
  await rig.serve();
  const { client } = rig.worker(1);
  let reliefs = 0;
  client.onRelief = () => {
    reliefs += 1;
  };
  let number = 0;
  while (!client.isCongested) {
    rig.propose(1, 10, ++number);
    rig.turn(1);
    assert.ok(number < 1000);
  }
  // A command has 6 bytes, the batch around it 43.
  assert.equal(number, Math.ceil((unsettledBytes + 1) / 49));
  assert.equal(reliefs, 0);
  await rig.settle();
  assert.equal(client.isCongested, false);
  assert.equal(reliefs, 1);
  assert.equal(rig.acknowledged.length, number);
});

test("ranges: a refusal that is overtaken by the answer to a later batch is heard", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  rig.restartWorker(1);
  while (rig.mesh.waitingCount(0, 2) > 0) rig.mesh.deliver(0, 2);
  // Main refuses this one: the range's worker is not back yet.
  rig.propose(2, 10, 1);
  rig.turn(2);
  rig.mesh.deliver(2, 0);
  let isAnswered = false;
  for (let round = 0; !isAnswered; round++) {
    assert.ok(round < 1000, "the range's worker comes back");
    // Of what main says to worker 2 nothing arrives.
    if (rig.main.groups.isServing) rig.propose(2, 10, 2 + round);
    rig.turnAll();
    await new Promise((resolve) => setImmediate(resolve));
    for (const source of [0, 1, 2]) {
      for (const target of [0, 1, 2]) {
        if (source !== 0 || target !== 2) rig.mesh.deliver(source, target);
      }
    }
    isAnswered = rig.acknowledged.some(({ proposer }) => proposer === 2);
  }
  assert.equal(rig.refused.length, 0);
  await rig.settle();
  assert.deepEqual(
    rig.refused.filter(({ command }) => command.number === 1).map(({ reason }) => reason),
    [RefusalReason.UNAVAILABLE],
  );
  assert.equal(rig.worker(2).client.openCount, 0);
});
