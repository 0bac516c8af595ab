/** The codec benchmark in smoke size, so that it cannot rot. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { benchCodec } from "../../../bench/micro/codec.ts";

test("codec benchmark: every case does its work, the same in each operation", () => {
  const results = benchCodec(2, 100);
  assert.equal(new Set(results.map(({ name }) => name)).size, results.length);
  for (const { name, nanosPerOperation, checksum } of results) {
    assert.ok(nanosPerOperation > 0, name);
    assert.ok(checksum > 0 && checksum % 100 === 0, `${name}: checksum ${checksum}`);
  }
});
