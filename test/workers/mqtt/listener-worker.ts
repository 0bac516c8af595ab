/**
 * A worker thread of reuse-port.test.ts: opens one listener, counts connections, answers questions
 * of its parent. workerData: a ListenerWorkerData. Not a test by itself.
 */

import { parentPort, workerData } from "node:worker_threads";
import type { ListenerConfig, ListenerProtocol } from "../../../src/shared/config/config.ts";
import { ListenerFixture } from "./listener-fixture.ts";

export interface ListenerWorkerData {
  readonly protocol: ListenerProtocol;
  readonly port: number;
  readonly threadIndex: number;
  readonly websocketEngine: ListenerConfig["websocketEngine"];
}

export type WorkerQuestion = "count" | "close";

if (parentPort !== null) {
  const { threadIndex, ...config } = workerData as ListenerWorkerData;
  const isFirst = threadIndex === 1;
  const fixture = await ListenerFixture.open(config, { threadIndex, isFirst });
  const parent = parentPort;
  parent.on("message", async (question: WorkerQuestion) => {
    if (question === "close") {
      await fixture.close();
      parent.close();
    } else {
      parent.postMessage(fixture.clients.length);
    }
  });
  parent.postMessage(fixture.port);
}
