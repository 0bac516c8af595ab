/** Ctrl-C leaves nothing behind: neither child processes nor their folders. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SpawnedProcess } from "./child-process.ts";
import { until, withDeadline } from "./deadline.ts";

const PROGRAM = fileURLToPath(new URL("interrupted-process.js", import.meta.url));

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`temporary folder: ${signal} removes it, after the child that writes into it`, async () => {
    const child = new SpawnedProcess(process.execPath, [PROGRAM]);
    const line = new Promise<string>((resolve) => {
      child.onLine = resolve;
    });
    const { folder, pid } = JSON.parse(await withDeadline(line, "the program to be ready"));
    assert.ok(existsSync(folder) && isRunning(pid));
    child.signal(signal);
    assert.equal((await child.exited).signal, signal);
    await until(() => !isRunning(pid), "the child to end");
    assert.equal(existsSync(folder), false);
  });
}
