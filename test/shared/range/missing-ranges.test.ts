import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { bootstrapPlan } from "../../../src/shared/range/bootstrap-plan.ts";
import {
  isPastFirstStart,
  missingRanges,
  type PresentRange,
} from "../../../src/shared/range/missing-ranges.ts";
import type { RangeDescriptor } from "../../../src/shared/range/range-descriptor.ts";
import { gapsBetween } from "../../../src/shared/range/range-gaps.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";

function present(ranges: readonly RangeDescriptor[]): PresentRange[] {
  return ranges.map((descriptor) => {
    return { id: descriptor.id, storeId: descriptor.storeId, descriptor };
  });
}

function find(ranges: readonly PresentRange[], stores: number): RangeDescriptor[] {
  let lastId = 1000;
  return missingRanges(ranges, stores, () => {
    lastId += 1;
    return lastId;
  });
}

/** The plan, with ranges cut in two at one key of their own. */
function cutPlan(stores: number, cuts: readonly number[]): RangeDescriptor[] {
  let id = 100;
  return bootstrapPlan(stores).flatMap((range) => {
    if (range.service === ServiceId.DIST || !cuts.includes(range.id)) return [range];
    id += 1;
    const at = Uint8Array.from([...range.start, 1]);
    return [
      { ...range, end: at },
      { ...range, id, start: at },
    ];
  });
}

test("missing ranges: of a node that is whole there are none", () => {
  for (const stores of [1, 2, 3, 8])
    assert.deepEqual(find(present(bootstrapPlan(stores)), stores), []);
});

test("missing ranges: those of a store that is gone are named as they were born", () => {
  const left = bootstrapPlan(3).filter(({ storeId }) => storeId !== 2);
  assert.deepEqual(
    find(present(left), 3).map(({ id, service, storeId }) => [id, service, storeId]),
    [
      [3, ServiceId.INBOX, 2],
      [6, ServiceId.RETAIN, 2],
    ],
  );
});

test("missing ranges: whatever is gone, the rest and the missing hold each key once, in its store", () => {
  const stores = fc.integer({ min: 1, max: 5 });
  const some = fc.array(fc.nat(12));
  fc.assert(
    fc.property(stores, some, some, (count, cuts, gone) => {
      const all = cutPlan(count, cuts);
      const left = all.filter((_range, at) => !gone.includes(at));
      const missing = find(present(left), count);
      const both = [...left, ...missing];
      for (const service of Object.values(ServiceId)) {
        assert.deepEqual(gapsBetween(service, both), []);
      }
      assert.equal(new Set(both.map(({ id }) => id)).size, both.length, "each id once");
      for (const range of missing) {
        const begins = ({ service, start }: RangeDescriptor) =>
          service === range.service && Buffer.compare(start, range.start) === 0;
        assert.equal(all.find(begins)?.storeId, range.storeId);
      }
      assert.ok(missing.length <= all.length - left.length);
    }),
  );
});

test("missing ranges: a gap is left to a range of the same store whose record cannot be read", () => {
  const [first, ...others] = cutPlan(2, [2]);
  const left = present([first!, ...others.filter(({ id }) => id !== 101)]);
  const unclear = { id: 101, storeId: 1, descriptor: null };
  assert.deepEqual(find([...left, unclear], 2), []);
  assert.equal(find([...left, { ...unclear, storeId: 2 }], 2).length, 1);
});

test("missing ranges: a first start that was interrupted is told from a node that lost some", () => {
  const plan = bootstrapPlan(3).map(({ id }) => id);
  for (let made = 0; made < plan.length; made++) {
    assert.equal(isPastFirstStart(new Set(plan.slice(0, made)), 3), false);
    const others = plan.filter((_id, at) => at !== made);
    const isLast = made === plan.length - 1;
    assert.equal(isPastFirstStart(new Set(others), 3), !isLast, "the last one alone");
  }
  assert.equal(isPastFirstStart(new Set(plan), 3), true);
  assert.equal(isPastFirstStart(new Set([...plan.slice(0, 2), 20]), 3), true);
});
