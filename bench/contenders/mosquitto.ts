/** mosquitto as the peer: Debian's package, configured by mosquitto.conf beside this file. */

import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { SpawnedProcess } from "../../test/helpers/child-process.ts";
import { until, withDeadline } from "../../test/helpers/deadline.ts";
import { freePort } from "../../test/helpers/ports.ts";
import { removeFolder, temporaryFolder } from "../../test/helpers/temporary-folder.ts";
import type { TransportName } from "../load/load-shape.ts";
import {
  benchCertificates,
  type Contender,
  loopbackTarget,
  NO_FIGURES,
  type RunningServer,
} from "./contender.ts";

/** Beside the source, not beside the compiled file: the compiler copies no configuration. */
const CONFIGURATION = new URL("../../../bench/contenders/mosquitto.conf", import.meta.url);
const STOP_WAIT_MS = 15_000;

export const HOW_TO_INSTALL_MOSQUITTO =
  "mosquitto is not installed; on Debian or Ubuntu: sudo apt-get install --no-install-recommends mosquitto " +
  "(and: sudo systemctl disable --now mosquitto, so that it does not run beside the benchmark)";

/** "mosquitto version 2.0.11", or "" when it is not installed. */
export function mosquittoVersion(): string {
  const { error, stdout } = spawnSync("mosquitto", ["-h"], { encoding: "utf8" });
  return error === undefined ? (stdout.split("\n")[0] ?? "") : "";
}

function notInstalled(): string {
  return mosquittoVersion() === "" ? HOW_TO_INSTALL_MOSQUITTO : "";
}

/**
 * With stored sessions its persistence is on, and as it comes: the file is written every half hour,
 * so never during a run. All it acknowledges is in memory only.
 */
export const mosquitto: Contender = {
  name: "mosquitto",
  isSubject: false,
  threads: 1,
  hasHttp: false,
  refusal: notInstalled,
  start: (transport, isStored = false) => start(transport, isStored ? ["persistence true"] : []),
};

/**
 * The same with its file written once a second, the most often that it can be told to without
 * writing it whole for each message. What was acknowledged since is lost with the process.
 */
export const mosquittoAutosave: Contender = {
  ...mosquitto,
  name: "mosquitto, autosave 1 s",
  refusal: ({ isStored }) => (isStored ? notInstalled() : "it differs in stored sessions only"),
  start: (transport) => start(transport, ["persistence true", "autosave_interval 1"]),
};

async function start(
  transport: TransportName,
  persistence: readonly string[],
): Promise<RunningServer> {
  const port = await freePort();
  const directory = temporaryFolder("mosquitto-bench-");
  // Started by root it gives up its rights, and must still read its certificates.
  // It writes as a user of its own, too.
  chmodSync(directory, 0o777);
  const file = join(directory, "mosquitto.conf");
  // This version does not start with WebSocket listeners alone ("Unable to start any listening
  // sockets").
  const spare = transport === "ws" ? [`listener ${await freePort()} 127.0.0.1`] : [];
  const own = [`listener ${port} 127.0.0.1`, ...listenerLines(transport, directory)];
  const lines = [...spare, ...own, ""];
  writeFileSync(file, `${configuration(persistence, directory)}\n${lines.join("\n")}`);
  const child = new SpawnedProcess("mosquitto", ["-c", file]);
  const ended = child.exited.then((exit) => {
    removeFolder(directory);
    return exit;
  });
  const failed = ended.then((exit) => {
    throw new Error(`mosquitto ended with code ${exit.code}: ${child.output}`);
  });
  failed.catch(() => {});
  await Promise.race([until(() => accepts(port), "mosquitto to listen"), failed]);
  return {
    target: loopbackTarget(port, child.pid, transport),
    adminPort: 0,
    storeTotals: null,
    loopDelay: null,
    ownFigures: NO_FIGURES,
    stop: async () => {
      child.signal("SIGTERM");
      await withDeadline(ended, "mosquitto to end", STOP_WAIT_MS).catch(async () => {
        child.signal("SIGKILL");
        await ended;
      });
    },
  };
}

/** With `persistence` in the place of its being off. */
function configuration(persistence: readonly string[], directory: string): string {
  const text = readFileSync(CONFIGURATION, "utf8");
  if (persistence.length === 0) return text;
  const own = [...persistence, `persistence_location ${directory}/`];
  return text.replace(/^persistence false$/m, own.join("\n"));
}

function listenerLines(transport: TransportName, directory: string): string[] {
  if (transport === "tcp") return [];
  if (transport === "ws") return ["protocol websockets"];
  const { ca, server } = benchCertificates();
  const files = { "ca.pem": ca, "cert.pem": server.cert, "key.pem": server.key };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(directory, name), content);
  }
  return [
    `cafile ${join(directory, "ca.pem")}`,
    `certfile ${join(directory, "cert.pem")}`,
    `keyfile ${join(directory, "key.pem")}`,
  ];
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
