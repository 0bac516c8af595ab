/** Where a figure was measured: without this it means nothing. */

import { spawnSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";

export interface Environment {
  readonly time: string;
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  /**
   * Runnable processes over the last minute, before the benchmark: above 0.3 per core the machine
   * is not ours.
   */
  readonly loadAverage: number;
  readonly commit: string;
  readonly mosquitto: string;
}

export function describeEnvironment(): Environment {
  return {
    time: new Date().toISOString(),
    node: process.version,
    system: `${type()} ${release()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    loadAverage: loadavg()[0] ?? -1,
    commit: firstLine("git", ["describe", "--always", "--dirty"]),
    mosquitto: firstLine("mosquitto", ["-h"]),
  };
}

function firstLine(command: string, args: readonly string[]): string {
  const { stdout } = spawnSync(command, args, { encoding: "utf8" });
  const line = (stdout ?? "").split("\n")[0] ?? "";
  return line === "" ? "not available" : line;
}
