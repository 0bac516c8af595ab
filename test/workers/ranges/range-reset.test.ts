/** Damaged ranges that are made anew. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { listRanges } from "../../../src/main/ranges/list-ranges.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { until } from "../../helpers/deadline.ts";
import { RangeRig, soon } from "../../helpers/range-rig.ts";
import { scratchFolder } from "../store/store-fixtures.ts";
import { collected, isOfRange, isStateOfRange2, startDamaged } from "./rotten-rows.ts";

test("ranges: a damaged range is made anew, empty, whatever of it could be read", async (t) => {
  for (const table of [StoreTable.RECORDS, StoreTable.LOG, StoreTable.STATE]) {
    const folder = scratchFolder(t);
    const rig = new RangeRig({ workers: 2, stores: 2, folder });
    await rig.serve();
    rig.propose(1, 10, 1);
    rig.propose(1, 200, 2);
    await collected(rig);
    const isWanted = table === StoreTable.STATE ? isStateOfRange2 : isOfRange(2);
    rig.propose(1, 10, 3);
    for (let round = 0; table === StoreTable.LOG && round < 10; round++) {
      rig.turnAll();
      rig.mesh.pump(() => rig.turnAll());
      await soon();
    }
    await startDamaged(rig, table, isWanted);
    assert.equal(listRanges(rig.main.groups).find(({ id }) => id === 2)?.state, "damaged");
    await assert.rejects(rig.main.resets.reset(3), /not damaged/);
    await assert.rejects(rig.main.resets.reset(9), /no range 9/);
    const reset = rig.main.resets.reset(2);
    for (let isOver = false; !isOver; ) {
      reset.finally(() => {
        isOver = true;
      });
      await rig.settle();
      rig.main.tick(rig.nowMs);
    }
    await reset;
    assert.equal(readdirSync(folder).join(), "range-2.rows");
    rig.propose(2, 11, 4);
    await rig.settle();
    for (let life = 0; life < 2; life++) {
      assert.deepEqual([...rig.lists().keys()].sort(), [11, 200]);
      assert.equal(listRanges(rig.main.groups).find(({ id }) => id === 2)?.state, "serving");
      rig.boot();
      await rig.serve();
    }
  }
});

test("ranges: while a range's rows have no place to go nothing is changed", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  await startDamaged(rig, StoreTable.RECORDS, isOfRange(2));
  const refused = assert.rejects(rig.main.resets.reset(2), /not made anew: .*no place/);
  await rig.settle();
  await refused;
  assert.equal(listRanges(rig.main.groups).find(({ id }) => id === 2)?.state, "damaged");
  assert.deepEqual([...rig.notes[0]!.ranges], []);
});

test("ranges: one that is made anew when the process ends is set aside still", async (t) => {
  const rig = new RangeRig({ workers: 1, stores: 1, holdsCommits: true, folder: scratchFolder(t) });
  await rig.serve();
  rig.propose(1, 10, 1);
  await collected(rig);
  await startDamaged(rig, StoreTable.RECORDS, isOfRange(2));
  rig.main.resets.reset(2).catch(() => {});
  // Its file takes as long as the disk does.
  await until(() => {
    rig.mesh.pump(() => rig.turnAll());
    return rig.commits.length > 0;
  }, "the first deletion");
  rig.boot();
  await rig.serve();
  const listing = listRanges(rig.main.groups).find(({ id }) => id === 2);
  assert.match(listing?.damage ?? "", /checksum|made anew/);
  rig.propose(1, 10, 2);
  await rig.settle();
  assert.equal(rig.acknowledged.length, 1);
});

test("ranges: until routes of lost sessions are gone their range is set aside, also after a crash", async (t) => {
  const firstId = 4711;
  const belows: number[] = [];
  let started = 0;
  let mayDrop = false;
  const rig = new RangeRig({
    workers: 2,
    stores: 1,
    folder: scratchFolder(t),
    service: {
      renew: () => {
        let lowestId = firstId;
        return {
          see: () => {},
          startAbove: (id) => {
            started = id;
            lowestId = Math.max(lowestId, id);
          },
          rows: () => [],
          get lowestId() {
            return lowestId;
          },
        };
      },
      dropRoutes: (_range, below, done) => {
        belows.push(below);
        if (mayDrop) done(true);
      },
    },
  });
  await rig.serve();
  rig.propose(1, 10, 1);
  await collected(rig);
  await startDamaged(rig, StoreTable.RECORDS, isOfRange(2));
  const stateOf2 = () => listRanges(rig.main.groups).find(({ id }) => id === 2)?.state;
  rig.main.resets.reset(2).catch(() => {});
  await until(async () => {
    await rig.settle();
    return belows.length > 0;
  }, "the routes to be asked for");
  assert.equal(stateOf2(), "damaged");
  rig.boot();
  await rig.serve();
  assert.equal(stateOf2(), "damaged", "nothing was made anew");
  mayDrop = true;
  const reset = rig.main.resets.reset(2);
  await until(async () => {
    await rig.settle();
    rig.main.tick(rig.nowMs);
    return stateOf2() === "serving";
  }, "the range to be served");
  await reset;
  assert.equal(started, firstId, "it knows what the first attempt had found");
  assert.deepEqual(new Set(belows), new Set([firstId]));
  assert.deepEqual([...rig.notes[0]!.ranges], []);
});
