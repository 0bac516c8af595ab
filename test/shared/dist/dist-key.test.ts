/** Keys of stored routes: what is found by which key, and where ranges may be cut. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  distKey,
  distRangeKey,
  isDistCut,
  longDistKey,
  numberOfLongKey,
} from "../../../src/shared/dist/dist-key.ts";
import { compareKeys } from "../../../src/shared/range/range-descriptor.ts";

const LONG = "x".repeat(3000);

function routeOf(tenantId: string, filter: string) {
  return { tenantId, filter, group: "", isOrdered: false, clientId: "c" };
}

test("dist keys: a route whose key would be too long is found by its tenant's number 0", () => {
  assert.deepEqual(distRangeKey(routeOf("t", "a")), distKey(routeOf("t", "a")));
  assert.equal(distKey(routeOf("t", LONG)), null);
  assert.deepEqual(distRangeKey(routeOf("t", LONG)), longDistKey("t", 0));
  assert.equal(numberOfLongKey(longDistKey("tenant", 7)), 7);
  assert.equal(numberOfLongKey(distKey(routeOf("tenant", "a"))!), 0);
});

test("dist keys: no cut parts a tenant's long routes from the key that finds them", () => {
  const tenant = fc.constantFrom("", "t", "tenant", "\u{1f43f}");
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 12 });
  const nearLong = fc
    .tuple(tenant, fc.nat(300), bytes, fc.nat(20))
    .map(([tenantId, number, tail, length]) => {
      const key = Uint8Array.of(...longDistKey(tenantId, number), ...tail);
      return key.subarray(0, Math.max(1, Math.min(key.length, length)));
    });
  const cuts = fc.oneof(bytes, nearLong);
  fc.assert(
    fc.property(cuts, tenant, fc.integer({ min: 1, max: 2 ** 40 }), (cut, tenantId, number) => {
      const isRight = (key: Uint8Array) => compareKeys(key, cut) >= 0;
      const isParted = isRight(longDistKey(tenantId, number)) !== isRight(longDistKey(tenantId, 0));
      if (isDistCut(cut)) assert.ok(!isParted);
    }),
    { numRuns: 2000 },
  );
});

test("dist keys: where a tenant's long routes begin a range may be cut, between them not", () => {
  assert.ok(isDistCut(longDistKey("t", 0)));
  assert.ok(isDistCut(longDistKey("t", 0).subarray(0, 6)));
  assert.ok(!isDistCut(longDistKey("t", 1)));
  assert.ok(!isDistCut(Uint8Array.of(...longDistKey("t", 0), 0)));
  assert.ok(isDistCut(distKey(routeOf("t", "a"))!));
  assert.ok(isDistCut(Uint8Array.of(255)));
});
