/** The size of libuv's pool, as a process finds it: from its environment, or from its own code. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { poolThreadsFor } from "../../src/platform/thread-pool.ts";

const MODULE = new URL("../../src/platform/thread-pool.js", import.meta.url).href;
const CODE = `
  const { growThreadPool, poolThreads } = await import(${JSON.stringify(MODULE)});
  growThreadPool();
  console.log(poolThreads());
`;
const run = promisify(execFile);

async function sizeWith(variable: string | undefined): Promise<number> {
  const { UV_THREADPOOL_SIZE: _, ...rest } = process.env;
  const env = variable === undefined ? rest : { ...rest, UV_THREADPOOL_SIZE: variable };
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", CODE], { env });
  return Number(stdout);
}

test("thread pool: what the environment says is kept", async () => {
  assert.equal(await sizeWith("7"), 7);
});

test("thread pool: without a word from the environment Node 20 has four, later ones enough", async () => {
  const isEarly = process.versions.node.startsWith("20.");
  const size = await sizeWith(undefined);
  if (isEarly) assert.equal(size, 4);
  else assert.ok(size >= poolThreadsFor(1));
});
