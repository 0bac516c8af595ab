/**
 * Preloaded into the broker (`--import`) by tests about dying workers: the first worker thread that
 * finds the file named by RATATOSK_TEST_CRASH_FILE removes it and throws, as a bug would, outside
 * of any of the broker's own code. So the broker itself needs no back door for tests.
 */

import { rmSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const POLL_MS = 20;

const file = process.env["RATATOSK_TEST_CRASH_FILE"];
if (!isMainThread && file !== undefined) {
  const poll = setInterval(() => {
    try {
      rmSync(file);
    } catch {
      // Not there, or another worker was first.
      return;
    }
    throw new Error("crash on demand");
  }, POLL_MS);
  poll.unref();
}
