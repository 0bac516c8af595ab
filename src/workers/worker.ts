/**
 * Entry of a worker thread: takes its share of the rings from `workerData`, builds the worker, and
 * answers main's control messages. What a worker consists of stands in worker-runtime.ts. Thread:
 * worker.
 */

import { parentPort, workerData } from "node:worker_threads";
import { createLogger, loggerOptions } from "../platform/log.ts";
import { assert } from "../shared/base/assert.ts";
import { counterRow } from "../shared/metrics/counter-table.ts";
import type {
  ControlFromWorker,
  ControlToWorker,
  WorkerBoot,
} from "../shared/protocol/worker-boot.ts";
import { WorkerHealth } from "./worker-health.ts";
import { WorkerRuntime } from "./worker-runtime.ts";

const port = parentPort;
assert(port !== null, "worker.ts runs in a worker thread");
const boot = workerData as WorkerBoot;
const log = createLogger(loggerOptions(boot.config, boot.threadIndex));
const report = (message: ControlFromWorker) => port.postMessage(message);
const runtime = new WorkerRuntime(boot, log, report);
const health = new WorkerHealth(counterRow(boot.counters, boot.threadIndex));

port.on("message", (message: ControlToWorker) => {
  switch (message.type) {
    case "reload":
      void runtime.reload(message.config);
      break;
    case "drain":
      void runtime.drain(message.reasonCode);
      break;
    case "end":
      void runtime.closeStores().finally(() => end(0));
      break;
    case "replace_peer":
      runtime.replacePeer(message);
      break;
    case "end_session":
      runtime.endSession(message);
      break;
    case "listen":
      runtime.listen(message.boundPorts);
      break;
  }
});

const CLOSE_MS = 20;

/**
 * A bug, or a rejection nobody handled: this worker ends, main restarts it, the others serve on.
 * Listeners are closed first, because a thread that ends with a live uWebSockets.js listener takes
 * the whole process along.
 */
function die(error: unknown): void {
  log.error("worker_failed", { error });
  log.close();
  void runtime.abandonStores().finally(() => end(1));
}

/**
 * uWebSockets.js closes its handles only within turns of the loop; ending before that aborts the
 * process.
 */
function end(exitCode: number): void {
  health.stop();
  void runtime.closeListeners().finally(() => setTimeout(() => process.exit(exitCode), CLOSE_MS));
}

process.on("uncaughtException", die);
process.on("unhandledRejection", die);

await runtime.start();
