import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { until } from "../helpers/deadline.ts";
import { RunClock } from "./run-clock.ts";

const skip = process.platform === "linux" ? false : "stops of a process are read from /proc";

test("crash clock: while the broker is stopped no time of its passes", { skip }, async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await once(child, "spawn");
  const clock = new RunClock();
  const hasPassed = () => {
    clock.watch(child.pid!);
    const beforeMs = clock.liveMs;
    for (const endMs = performance.now() + 2; performance.now() < endMs; );
    return clock.liveMs > beforeMs;
  };
  assert.equal(hasPassed(), true);
  child.kill("SIGSTOP");
  await until(() => !hasPassed(), "time to stand still");
  child.kill("SIGCONT");
  await until(hasPassed, "time to go on");
  child.kill("SIGKILL");
});
