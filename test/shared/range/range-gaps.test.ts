import assert from "node:assert/strict";
import test from "node:test";
import { bootstrapPlan } from "../../../src/shared/range/bootstrap-plan.ts";
import { gapsBetween } from "../../../src/shared/range/range-gaps.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";

/** Of the inbox ranges of four stores, without those with the ids. */
function gapsWithout(...ids: number[]): string[] {
  const ranges = bootstrapPlan(4).filter(({ id }) => !ids.includes(id));
  const hex = (key: Uint8Array | null) => (key === null ? "end" : Buffer.from(key).toString("hex"));
  return gapsBetween(ServiceId.INBOX, ranges.reverse()).map(
    ({ start, end }) => `${hex(start)}..${hex(end)}`,
  );
}

test("range gaps: keys without a range are found at both ends, within, and all of them", () => {
  assert.deepEqual(gapsWithout(), []);
  assert.deepEqual(gapsWithout(1, 6), [], "other services do not count");
  assert.deepEqual(gapsWithout(2), ["..40000000"]);
  assert.deepEqual(gapsWithout(3, 4), ["40000000..c0000000"]);
  assert.deepEqual(gapsWithout(2, 5), ["..40000000", "c0000000..end"]);
  assert.deepEqual(gapsWithout(2, 3, 4, 5), ["..end"]);
});
