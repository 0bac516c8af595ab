import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { scratchFolder } from "./store-fixtures.ts";

const CHILD = fileURLToPath(new URL("full-disk-process.js", import.meta.url));
/** Of 512 bytes each: 2 MiB. */
const FILE_BLOCKS = 4096;

for (const log of ["lmdb", "segments"] as const) {
  test(`store in ${log}: a full disk fails the commit and those behind it, and leaves no hole in the log`, (t) => {
    const folder = scratchFolder(t);
    // Ignored, the signal becomes an error of the write.
    const script = `trap "" XFSZ; ulimit -f ${FILE_BLOCKS}; exec "$0" "$@"`;
    const words = ["-c", script, process.execPath, CHILD, folder, log];
    const { stdout, stderr } = spawnSync("sh", words, { encoding: "utf8" });
    const { outcomes, durable } = JSON.parse(stdout || "null") ?? assert.fail(stderr);
    assert.ok(durable > 0);
    assert.deepEqual(
      outcomes.map((text: string) => Number.parseInt(text, 10)),
      [durable + 1, durable + 2],
    );
    const store = openLogStore({ folder, log });
    assert.equal(store.opened[0]?.damage, null);
    assert.equal(store.opened[0]?.lastIndex, durable);
    return store.close();
  });
}
