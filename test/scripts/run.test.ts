/** The script behind `npm start` and `npm test`. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test from "node:test";
import { ROOT } from "../tidy/source-file.ts";

function run(...words: string[]) {
  const script = join(ROOT, "scripts/run.mjs");
  return spawnSync(process.execPath, [script, ...words], { encoding: "utf8" });
}

test("run script: an unknown command is 64 and names the known ones", () => {
  for (const name of ["strat", "toString", ""]) {
    const { status, stderr } = run(name);
    assert.equal(status, 64, name);
    assert.match(stderr, /known: start, build, test, verify, fix, script/);
  }
});

test("run script: `script` without a path is 64", () => {
  assert.equal(run("script").status, 64);
});

test("run script: a test filter that matches nothing is an error, not a success", () => {
  const { status, stderr } = run("test", "no-such-test-file");
  assert.equal(status, 1);
  assert.match(stderr, /no test file matches: no-such-test-file|the build failed/);
});
