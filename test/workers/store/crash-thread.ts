/**
 * A thread of crash.test.ts: tells of each durable commit in shared memory, where it outlives the
 * thread.
 */

import { parentPort, workerData } from "node:worker_threads";
import { type CrashTask, writeUntilTheEnd } from "./crash-writer.ts";

const { task, durable } = workerData as { task: CrashTask; durable: Int32Array };
await writeUntilTheEnd(task, (number) => {
  Atomics.store(durable, 0, number);
  parentPort?.postMessage(null);
});
