/**
 * Mosquitto beside our broker: its broker as the reference that tells whether a conformance test is
 * right and as the opponent of the benchmark, its command line clients as stock clients.
 */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { type ChildExit, SpawnedProcess } from "./child-process.ts";
import { until, withDeadline } from "./deadline.ts";
import { freePort } from "./ports.ts";
import { removeFolder, temporaryFolder } from "./temporary-folder.ts";

/**
 * Why tests with mosquitto's broker cannot run here, or false: the value of a test's `skip` option.
 */
export const skipWithoutMosquitto = missing("mosquitto");
/** The same for mosquitto_pub and mosquitto_sub. */
export const skipWithoutMosquittoClients = missing("mosquitto_pub") || missing("mosquitto_sub");

function missing(program: string): string | false {
  const found = spawnSync(program, ["--help"], { stdio: "ignore" }).error === undefined;
  return found ? false : `${program} is not installed`;
}

export interface MosquittoProcess {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Settings that take off what mosquitto's defaults would cost it in a comparison: no log, no
 * persistence, no limit on messages in flight or queued, no Nagle delay.
 */
const FAIR_SETTINGS = [
  "log_type none",
  "persistence false",
  "allow_anonymous true",
  "max_inflight_messages 65535",
  "max_queued_messages 0",
  "max_queued_bytes 0",
  "set_tcp_nodelay true",
  "sys_interval 0",
];

/**
 * Starts mosquitto on a free loopback port with `FAIR_SETTINGS` and further configuration lines.
 */
export async function startMosquitto(lines: readonly string[] = []): Promise<MosquittoProcess> {
  const port = await freePort();
  const directory = temporaryFolder("mosquitto-test-");
  const file = join(directory, "mosquitto.conf");
  writeFileSync(file, [`listener ${port} 127.0.0.1`, ...FAIR_SETTINGS, ...lines, ""].join("\n"));
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
  const stop = async () => {
    child.signal("SIGTERM");
    await withDeadline(ended, "mosquitto to end");
  };
  return { port, pid: child.pid, stop };
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

/** mosquitto_sub as a process: collects its output lines. */
export class MosquittoSub {
  readonly lines: string[] = [];
  readonly exited: Promise<ChildExit>;
  readonly #child: SpawnedProcess;

  constructor(port: number, args: readonly string[]) {
    this.#child = new SpawnedProcess("mosquitto_sub", [
      "-h",
      "127.0.0.1",
      "-p",
      `${port}`,
      ...args,
    ]);
    this.#child.onLine = (line) => this.lines.push(line);
    this.exited = this.#child.exited;
  }

  stop(): void {
    this.#child.signal("SIGTERM");
  }
}

/** Runs mosquitto_pub to its end; the exit code and what it printed. */
export async function mosquittoPub(
  port: number,
  args: readonly string[],
  input = "",
): Promise<{ code: number | null; output: string }> {
  const child = new SpawnedProcess("mosquitto_pub", ["-h", "127.0.0.1", "-p", `${port}`, ...args]);
  child.finishInput(input);
  const exit = await withDeadline(child.exited, "mosquitto_pub to end");
  return { code: exit.code, output: child.output };
}
