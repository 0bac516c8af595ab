/**
 * The process of a store soak that is killed again and again: starts the workers and passes on what
 * they tell. Started by soak-run.ts through `fork`.
 */

import { Worker } from "node:worker_threads";
import type { SoakMessage, SoakTask } from "./soak-message.ts";

const task = JSON.parse(process.argv[2] ?? "{}") as SoakTask;
// Takes effect because nothing has used the pool yet (Node 22 and later; Node 20's loader has).
process.env["UV_THREADPOOL_SIZE"] = String(2 * task.workers + 4);
for (let worker = 1; worker <= task.workers; worker++) {
  const thread = new Worker(new URL("soak-thread.js", import.meta.url), {
    workerData: { ...task, worker },
  });
  thread.on("message", (message: SoakMessage) => process.send?.(message));
  thread.on("error", (error) => {
    console.error(`worker ${worker}:`, error);
    process.exit(1);
  });
}
process.on("disconnect", () => process.exit(0));
