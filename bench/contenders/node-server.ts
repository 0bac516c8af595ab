/** A server written in Node that prints its port: aedes, and the bare write loop. */

import { fileURLToPath } from "node:url";
import { SpawnedProcess } from "../../test/helpers/child-process.ts";
import { withDeadline } from "../../test/helpers/deadline.ts";
import type { TransportName } from "../load/load-shape.ts";
import {
  benchCertificates,
  type Contender,
  loopbackTarget,
  NO_FIGURES,
  type RunningServer,
} from "./contender.ts";

const START_WAIT_MS = 15_000;

/** aedes speaks MQTT 3.1.1; settings and reasons are in aedes-server.ts. */
export const aedes: Contender = {
  name: "aedes",
  isSubject: false,
  threads: 1,
  hasHttp: false,
  refusal: ({ protocolVersion, scenario, isStored }) => {
    if (isStored) return "aedes keeps nothing on the disk";
    if (protocolVersion === 5) return "aedes does not speak MQTT 5";
    return scenario.startsWith("share") ? "aedes has no shared subscriptions" : "";
  },
  start: (transport) => startServer("./aedes-server.js", transport),
};

/** The floor of one publish in flight: a bare loop of socket writes (write-loop-server.ts). */
export const writeLoop: Contender = {
  name: "bare write loop",
  isSubject: false,
  threads: 1,
  hasHttp: false,
  refusal: ({ transport, protocolVersion, scenario }) =>
    transport === "tcp" && protocolVersion === 4 && scenario === "fanout"
      ? ""
      : "the bare write loop can do a fan-out over TCP with MQTT 3.1.1, at QoS 0",
  start: (transport) => startServer("./write-loop-server.js", transport),
};

async function startServer(file: string, transport: TransportName): Promise<RunningServer> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = new SpawnedProcess(process.execPath, [path, transport]);
  if (transport === "tls") child.finishInput(JSON.stringify(benchCertificates().server));
  const reported = new Promise<number>((resolve, reject) => {
    child.onLine = (line) => {
      if (/^\d+$/.test(line)) resolve(Number(line));
    };
    child.exited.then(() => reject(new Error(`${file} ended: ${child.output}`)), reject);
  });
  const port = await withDeadline(reported, `${file} to listen`, START_WAIT_MS);
  const stop = async () => {
    child.signal("SIGKILL");
    await child.exited;
  };
  return {
    target: loopbackTarget(port, child.pid, transport),
    adminPort: 0,
    storeTotals: null,
    loopDelay: null,
    ownFigures: NO_FIGURES,
    stop,
  };
}
