/** A store of which nothing can be served, and that is made anew as a whole. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { listRanges } from "../../../src/main/ranges/list-ranges.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { until } from "../../helpers/deadline.ts";
import { RangeRig } from "../../helpers/range-rig.ts";
import { scratchFolder } from "../store/store-fixtures.ts";

/** Makes records of store 1 unreadable. */
function spoil(rig: RangeRig, isWanted: (id: number) => boolean): void {
  const records = rig.disks[0]!.tables[StoreTable.RECORDS]!;
  const rotten: [Uint8Array, Uint8Array][] = [];
  records.visit({ start: new Uint8Array(0), end: null }, (key, value) => {
    const bytes = value.slice();
    bytes[bytes.length - 1]! ^= 1;
    const id = new DataView(key.buffer, key.byteOffset).getUint32(0);
    if (isWanted(id)) rotten.push([key, bytes]);
    return true;
  });
  for (const [key, bytes] of rotten) records.set(key, bytes);
}

async function settled<T>(rig: RangeRig, change: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  change.then(over, over);
  while (!isOver) {
    await rig.settle();
    rig.main.tick(rig.nowMs);
  }
  return await change;
}

/** Range 2, of store 1, is cut: 6 is its right half. */
async function cutNode(rig: RangeRig): Promise<void> {
  await rig.serve();
  for (const [at, key] of [10, 100, 200].entries()) rig.propose(1, key, at + 1);
  await rig.settle();
  await settled(rig, rig.main.lifeCycle.split(2, Uint8Array.of(64)));
  rig.nowMs += 10_000;
  await rig.settle();
}

function states(rig: RangeRig) {
  return listRanges(rig.main.groups).map(({ id, state }) => [id, state]);
}

test("store reset: a store of which nothing can be read begins anew with the ranges that it was born with", async (t) => {
  const rig = new RangeRig({ workers: 2, stores: 2, folder: scratchFolder(t) });
  await cutNode(rig);
  spoil(rig, () => true);
  rig.boot();
  await rig.serve();
  const found = states(rig).filter(([, state]) => state === "damaged");
  assert.deepEqual(found.map(([id]) => id).sort(), [1, 2, 4, 6]);
  await assert.rejects(rig.main.resets.resetStore(2), /store 2 is not damaged/);
  await assert.rejects(rig.main.resets.resetStore(3), /no store 3/);
  await settled(rig, rig.main.resets.resetStore(1));
  await until(async () => {
    await rig.settle();
    rig.main.tick(rig.nowMs);
    return rig.main.groups.areRoutesWhole;
  }, "the routes");
  rig.propose(2, 100, 4);
  await rig.settle();
  for (let life = 0; life < 2; life++) {
    assert.deepEqual(states(rig), [
      [1, "serving"],
      [2, "serving"],
      [3, "serving"],
      [4, "serving"],
      [5, "serving"],
    ]);
    assert.deepEqual([...rig.lists().keys()].sort(), [100, 200]);
    assert.deepEqual(rig.refused, []);
    rig.boot();
    await rig.serve();
  }
});

test("store reset: what a store still serves is not given up", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await cutNode(rig);
  spoil(rig, (id) => id === 2);
  rig.boot();
  await rig.serve();
  await assert.rejects(rig.main.resets.resetStore(1), /store 1 serves [146, ]+: reset .* 2$/);
});

test("store reset: a crash before the routes are told leaves a range of routes that is damaged", async (t) => {
  const rig = new RangeRig({ workers: 2, stores: 2, folder: scratchFolder(t) });
  await cutNode(rig);
  spoil(rig, () => true);
  rig.boot();
  await rig.serve();
  rig.main.resets.resetStore(1).catch(() => {});
  await until(async () => {
    rig.turnAll();
    rig.mesh.pump(() => rig.turnAll());
    await new Promise((resolve) => setImmediate(resolve));
    return [...rig.notes[0]!.ranges].includes(1);
  }, "the new store");
  rig.boot();
  await rig.serve();
  assert.ok(!rig.main.groups.areRoutesWhole || rig.main.groups.damaged.size === 0);
  await until(async () => {
    await rig.settle();
    rig.main.tick(rig.nowMs);
    return rig.main.groups.areRoutesWhole;
  }, "the routes");
  assert.deepEqual([...rig.notes[0]!.ranges], []);
});
