/** A long run that is interrupted leaves nothing behind but what it says it keeps. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SpawnedProcess } from "../../helpers/child-process.ts";
import { until } from "../../helpers/deadline.ts";
import { removeFolder, temporaryFolder } from "../../helpers/temporary-folder.ts";

const BENCH_FILE = fileURLToPath(new URL("../../../bench/bench.js", import.meta.url));

test("benchmark: interrupted, it removes its brokers' folders and says that nothing is kept", async () => {
  const folder = temporaryFolder("bench-interrupted-");
  try {
    const words = ["fanout", "--peer", "none", "--json", join(folder, "out.json")];
    const run = new SpawnedProcess(process.execPath, [BENCH_FILE, ...words], {
      env: { ...process.env, TMPDIR: folder },
    });
    const isThere = (prefix: string) => readdirSync(folder).some((name) => name.startsWith(prefix));
    await until(() => isThere("ratatosk-"), "the broker's folder");
    run.signal("SIGINT");
    const exit = await run.exited;
    assert.equal(exit.signal, "SIGINT");
    assert.match(run.output, /interrupted before the first case was over: nothing is kept/);
    assert.ok(!isThere("ratatosk-"));
  } finally {
    removeFolder(folder);
  }
});
