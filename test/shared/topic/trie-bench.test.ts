/** The benchmark of the tries in smoke size, so that it does not rot. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../../../bench/micro/trie.ts";

test("trie benchmark: every topic matches its one filter, on every run alike", () => {
  const entries = 2000;
  const results = run(0, entries);
  assert.equal(results.length, 4);
  for (const { workload, checksum, matchNanos, ownBytesPerEntry } of results) {
    // One batch of 8,192 topics with one match each; the retained one adds a scan of all topics.
    const scanned = workload.startsWith("retained") ? entries : 0;
    assert.equal(checksum, 8192 + scanned, workload);
    assert.ok(matchNanos.p50 > 0 && matchNanos.p50 <= matchNanos.max);
    assert.ok(ownBytesPerEntry > 0);
  }
});
