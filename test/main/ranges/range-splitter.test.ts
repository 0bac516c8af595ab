import assert from "node:assert/strict";
import { test } from "node:test";
import { RangeRig, SERVICE } from "../../helpers/range-rig.ts";

test("range splitter: a range above a limit is cut in the middle, and not again at once", async () => {
  const rig = new RangeRig({
    workers: 1,
    stores: 1,
    splitLimits: { keys: 4, bytes: 0, busyPercent: 0 },
  });
  await rig.serve();
  for (const key of [10, 20, 30]) rig.propose(1, key, 1);
  rig.nowMs += 2000;
  await rig.settle();
  assert.equal(rig.main.groups.directory.of(SERVICE).length, 1);
  for (const key of [40, 50, 60, 70, 80]) rig.propose(1, key, 1);
  rig.nowMs += 2000;
  await rig.settle();
  rig.nowMs += 2000;
  await rig.settle();
  const ranges = rig.main.groups.directory.of(SERVICE);
  assert.deepEqual(
    ranges.map(({ start }) => [...start]),
    [[], [50]],
  );
});
