/**
 * The inbox benchmark in smoke size: it runs, and every case does its work.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { run, sessionBytes } from "../../../bench/micro/inbox.ts";

test("inbox benchmark: every case pushes what it inserts", { timeout: 30_000 }, () => {
  const [online, pairs, fanOut, drain] = run(0.05);
  for (const result of [online, pairs, fanOut, drain]) assert.ok(result!.nanosPerDelivery > 0);
  assert.ok(online!.pushes >= 3 * 20_000);
  assert.ok(pairs!.pushes >= 3 * 20_000);
  assert.equal(fanOut!.pushes, 0, "sleeping sessions are not pushed to");
  assert.equal(drain!.pushes % 100_000, 0, "a drained queue is empty");
});

test("inbox benchmark: a sleeping session costs at most 2 KiB of heap", (context) => {
  const bytes = sessionBytes(20_000);
  if (Number.isNaN(bytes)) {
    context.skip("needs --expose-gc");
    return;
  }
  assert.ok(bytes > 0 && bytes < 2048, `${bytes}`);
});
