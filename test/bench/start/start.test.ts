/** The folder is filled, and found after a stop and after a kill. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loopbackTarget } from "../../../bench/contenders/contender.ts";
import { fillFolder } from "../../../bench/start/fill-folder.ts";
import { dropFromCache, stopBroker, timedStart } from "../../../bench/start/timed-start.ts";

for (const isEachOwn of [false, true]) {
  const what = isEachOwn ? "different messages" : "messages for all";
  test(`bench:start: what fills the folder is found again, with ${what}`, () => run(isEachOwn));
}

async function run(isEachOwn: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ratatosk-start-test-"));
  const options = { workers: 1, durability: "os" } as const;
  try {
    const first = await timedStart(folder, options);
    assert.equal(first.figures.sessions, 0);
    const target = loopbackTarget(first.broker.port, first.broker.pid, "tcp");
    await fillFolder(target, { sessions: 30, retained: 0, queued: 60, isEachOwn }, () => {});
    await stopBroker(first.broker);
    dropFromCache(folder);
    const second = await timedStart(folder, options);
    assert.ok(second.figures.seconds > 0);
    assert.equal(second.figures.sessions, 30);
    assert.equal(second.figures.queued, 60);
    await second.broker.kill();
    const third = await timedStart(folder, options);
    assert.equal(third.figures.sessions, 30);
    assert.equal(third.figures.queued, 60);
    await stopBroker(third.broker);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
