import assert from "node:assert/strict";
import { test } from "node:test";
import { RangeRig, SERVICE, soon } from "../../helpers/range-rig.ts";

test("ranges: a first start creates one range per service and store, and serves", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  const ids = rig.main.groups.directory.ranges.map(({ id }) => id);
  assert.deepEqual(ids, [1, 2, 3, 4, 5]);
  assert.equal(rig.worker(1).client.ownerThread(SERVICE, Uint8Array.of(0x80)), 1);
  assert.equal(rig.worker(1).client.ownerThread(SERVICE, Uint8Array.of(0x81)), 2);
  assert.deepEqual(rig.fatal, []);
});

test("ranges: commands are applied once, in order, and acknowledged", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  for (let number = 1; number <= 5; number++) {
    rig.propose(1, 10, number);
    rig.propose(1, 200, number);
    rig.turn(1);
  }
  await rig.settle();
  assert.deepEqual(
    rig
      .lists()
      .get(10)
      ?.map(({ number }) => number),
    [1, 2, 3, 4, 5],
  );
  assert.deepEqual(
    rig
      .lists()
      .get(200)
      ?.map(({ number }) => number),
    [1, 2, 3, 4, 5],
  );
  assert.equal(rig.acknowledged.length, 10);
  assert.equal(rig.refused.length, 0);
});

test("ranges: what was acknowledged is there after a restart, also from the log alone", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1 });
  await rig.serve();
  rig.propose(1, 10, 1);
  await rig.settle();
  rig.propose(1, 10, 2);
  await rig.settle();
  rig.boot();
  await rig.serve();
  assert.deepEqual(
    rig
      .lists()
      .get(10)
      ?.map(({ number }) => number),
    [1, 2],
  );
  rig.propose(1, 10, 3);
  await rig.settle();
  assert.deepEqual(
    rig
      .lists()
      .get(10)
      ?.map(({ number }) => number),
    [1, 2, 3],
  );
});

test("ranges: nothing is acknowledged before its commit is durable", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1, holdsCommits: true });
  await rig.serve();
  rig.propose(1, 10, 1);
  for (let round = 0; round < 20; round++) {
    rig.turnAll();
    rig.mesh.deliver(1, 0);
    rig.mesh.deliver(0, 1);
  }
  assert.equal(rig.commits.length, 1);
  assert.equal(rig.acknowledged.length, 0);
  await rig.settle();
  assert.equal(rig.acknowledged.length, 1);
});

test("ranges: a split moves the upper keys to a new range, and commands follow", async () => {
  const rig = new RangeRig({ workers: 2, stores: 1 });
  await rig.serve();
  for (const key of [10, 20, 30, 40]) rig.propose(2, key, 1);
  await rig.settle();
  const change = rig.main.lifeCycle.split(2, Uint8Array.of(25));
  for (let number = 2; number < 6; number++) {
    for (const key of [10, 20, 30, 40]) rig.propose(2, key, number);
    rig.turnAll();
    rig.mesh.deliver(2, 0);
    rig.mesh.deliver(0, 1);
  }
  await rig.settle();
  const right = await change;
  assert.deepEqual([...right.start], [25]);
  assert.equal(right.id, 4);
  for (const key of [10, 20, 30, 40]) {
    assert.deepEqual(
      rig
        .lists()
        .get(key)
        ?.map(({ number }) => number),
      [1, 2, 3, 4, 5],
    );
  }
  assert.equal(rig.worker(1).host.ownedBy(SERVICE).length, 2);
  rig.boot();
  await rig.serve();
  assert.equal(rig.lists().size, 4);
  assert.equal(rig.worker(1).host.ownedBy(SERVICE).length, 2);
});

test("ranges: a merge brings neighbours together, and commands follow", async () => {
  const rig = new RangeRig({ workers: 2, stores: 1 });
  await rig.serve();
  for (const key of [10, 20, 30, 40]) rig.propose(2, key, 1);
  await rig.settle();
  const split = rig.main.lifeCycle.split(2, null);
  await rig.settle();
  const right = await split;
  const merge = rig.main.lifeCycle.merge(2);
  for (let number = 2; number < 6; number++) {
    for (const key of [10, 20, 30, 40]) rig.propose(2, key, number);
    rig.turnAll();
    rig.mesh.deliver(2, 0);
    rig.mesh.deliver(0, 1);
  }
  await rig.settle();
  const merged = await merge;
  assert.equal(merged.end, null);
  assert.equal(merged.absorbedId, right.id);
  for (const key of [10, 20, 30, 40]) {
    assert.deepEqual(
      rig
        .lists()
        .get(key)
        ?.map(({ number }) => number),
      [1, 2, 3, 4, 5],
    );
  }
  rig.boot();
  await rig.serve();
  assert.equal(rig.lists().size, 4);
  assert.equal(rig.worker(1).host.ownedBy(SERVICE).length, 1);
  const next = rig.main.lifeCycle.split(2, null);
  await rig.settle();
  assert.equal((await next).id, right.id + 1, "an id is not given out again");
});

test("ranges: a merge that a crash interrupts waits for the right-hand range's log", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1, holdsCommits: true });
  await rig.serve();
  for (const key of [10, 20, 30, 40]) rig.propose(1, key, 1);
  await rig.settle();
  const split = rig.main.lifeCycle.split(2, Uint8Array.of(25));
  await rig.settle();
  await split;
  const step = async (until: () => boolean, completes: () => boolean) => {
    for (let round = 0; !until(); round++) {
      assert.ok(round < 200);
      rig.turnAll();
      rig.mesh.deliver(1, 0);
      rig.mesh.deliver(0, 1);
      if (!completes()) continue;
      for (const { complete } of rig.commits.splice(0)) complete();
      await soon();
    }
  };
  // The clock stands still: what follows the first collection is in the right-hand log only.
  for (const number of [2, 3]) {
    const acknowledged = rig.acknowledged.length + 2;
    for (const key of [30, 40]) rig.propose(1, key, number);
    await step(
      () => rig.acknowledged.length === acknowledged,
      () => true,
    );
  }
  rig.main.lifeCycle.merge(2).catch(() => {});
  const owned = () => rig.worker(1).host.ownedBy(SERVICE).length;
  // All but the commit that takes the range over.
  await step(
    () => owned() === 1,
    () => owned() > 1,
  );
  rig.boot();
  await rig.serve();
  await rig.settle();
  rig.main.tick(rig.nowMs);
  await rig.settle();
  assert.equal(owned(), 1);
  for (const key of [30, 40]) {
    const numbers = rig
      .lists()
      .get(key)
      ?.map(({ number }) => number);
    assert.deepEqual(numbers, [1, 2, 3], `key ${key}`);
  }
});

test("ranges: time does not go back for what is merged into a range that was behind", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1 });
  await rig.serve();
  for (const key of [10, 40]) rig.propose(1, key, 1);
  await rig.settle();
  const split = rig.main.lifeCycle.split(2, Uint8Array.of(25));
  await rig.settle();
  await split;
  const presentMs = rig.nowMs;
  rig.nowMs += 60_000;
  rig.propose(1, 40, 2);
  await rig.settle();
  // Somebody has put the clock right.
  rig.nowMs = presentMs;
  const merge = rig.main.lifeCycle.merge(2);
  await rig.settle();
  await merge;
  rig.propose(1, 40, 3);
  await rig.settle();
  const numbers = rig.lists().get(40) ?? [];
  assert.deepEqual(
    numbers.map(({ number }) => number),
    [1, 2, 3],
  );
  assert.deepEqual(rig.fatal, []);
});
