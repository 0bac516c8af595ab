/** The servers that a load is run against, each as a process that can be started anew for every run. */

import { fileURLToPath } from "node:url";
import { startBroker } from "../test/helpers/broker-process.ts";
import { SpawnedProcess } from "../test/helpers/child-process.ts";
import { withDeadline } from "../test/helpers/deadline.ts";
import { startMosquitto } from "../test/helpers/mosquitto.ts";

export interface RunningServer {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<unknown>;
}

export interface Contender {
  readonly name: string;
  start(): Promise<RunningServer>;
}

const WRITE_LOOP_FILE = fileURLToPath(new URL("./load/write-loop-server.js", import.meta.url));

/** Our broker as shipped, but without $SYS topics, as with mosquitto. */
export function ratatosk(workers: number): Contender {
  return {
    name: `ratatosk --workers ${workers}`,
    async start() {
      const broker = await startBroker({ workers, config: { sys_interval_seconds: 0 } });
      return { port: broker.port, pid: broker.pid, stop: () => broker.stop() };
    },
  };
}

/** See FAIR_SETTINGS in test/helpers/mosquitto.ts for what is tuned, and why. */
export const mosquitto: Contender = { name: "mosquitto", start: () => startMosquitto() };

/** A bare loop of socket writes in Node: the floor under one publish in flight. */
export const writeLoop: Contender = {
  name: "bare write loop",
  async start() {
    const child = new SpawnedProcess(process.execPath, [WRITE_LOOP_FILE]);
    const reported = new Promise<number>((resolve) => {
      child.onLine = (line) => resolve(Number(line));
    });
    const port = await withDeadline(reported, "the write loop to listen");
    const stop = async () => {
      child.signal("SIGKILL");
      await child.exited;
    };
    return { port, pid: child.pid, stop };
  },
};
