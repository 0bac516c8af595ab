import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { InboxUsage, usageStep } from "../../../src/shared/inbox/inbox-usage.ts";

test("inbox usage: what the others hold is the sum of what their ranges told last", () => {
  const range = fc.integer({ min: 1, max: 4 });
  const tenantId = fc.constantFrom("a", "b");
  const bytes = fc.integer({ min: 0, max: 1000 });
  const sessions = fc.integer({ min: 0, max: 9 });
  const told = fc.record({ range, tenantId, bytes, sessions, isForgotten: fc.boolean() });
  fc.assert(
    fc.property(fc.array(told, { maxLength: 40 }), range, (all, except) => {
      const usage = new InboxUsage();
      const model = new Map<string, number>();
      for (const one of all) {
        const name = `${one.range}${one.tenantId}`;
        usage.learnTenant(one.range, one.tenantId, one.bytes, one.sessions);
        usage.learnRange(one.range, one.bytes);
        model.set(name, one.bytes).set(`${one.range}`, one.bytes);
        model.set(`${name} sessions`, one.sessions);
        if (!one.isForgotten) continue;
        usage.forget(one.range);
        for (const of of ["", "a", "b", "a sessions", "b sessions"]) {
          model.delete(`${one.range}${of}`);
        }
      }
      const sum = (of: string) => {
        return [1, 2, 3, 4].reduce((all, range) => {
          return range === except ? all : all + (model.get(`${range}${of}`) ?? 0);
        }, 0);
      };
      assert.equal(usage.elsewhere(except), sum(""));
      assert.equal(usage.tenantElsewhere("a", except), sum("a"));
      assert.equal(usage.tenantElsewhere("b", except), sum("b"));
      assert.equal(usage.sessionsElsewhere("a", except), sum("a sessions"));
      assert.equal(usage.sessionsElsewhere("b", except), sum("b sessions"));
    }),
  );
});

test("inbox usage: ranges that are no more count for nothing", () => {
  const usage = new InboxUsage();
  for (const range of [1, 2, 3]) {
    usage.learnRange(range, 10 * range);
    usage.learnTenant(range, "t", range, 0);
    usage.learnTenant(range, "only sessions", 0, range);
  }
  usage.keepOnly(new Set([1, 2]));
  assert.equal(usage.elsewhere(1), 20);
  assert.equal(usage.tenantElsewhere("t", 1), 2);
  assert.equal(usage.tenantElsewhere("t", 9), 3);
  assert.equal(usage.sessionsElsewhere("only sessions", 9), 3);
});

test("inbox usage: all ranges together keep less than two percent of a quota to themselves", () => {
  for (const ranges of [1, 4, 16, 64]) {
    assert.ok(ranges * usageStep(2 ** 20, ranges) <= 2 ** 20 / 50);
    assert.ok(usageStep(2 ** 20, ranges) > 0);
  }
});
