/** A worker of a store soak: see soak-worker.ts. */

import { parentPort, workerData } from "node:worker_threads";
import type { SoakMessage, WorkerTask } from "./soak-message.ts";
import { SoakWorker } from "./soak-worker.ts";

const tell = (message: SoakMessage) => parentPort?.postMessage(message);
await new SoakWorker(workerData as WorkerTask, tell).run();
