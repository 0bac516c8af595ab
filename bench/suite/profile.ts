/**
 * Where a process spent its time, from the profiles that `node --cpu-prof` writes (one per thread):
 * self time by function, the busiest thread first.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { formatTable } from "../statistics.ts";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const FUNCTIONS_SHOWN = 25;
const IDLE = "(idle)";

/** Self time in microseconds by "function file:line". */
export function selfTimes(profile: CpuProfile): Map<string, number> {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
  const times = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? "(unknown)";
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  return times;
}

function nameOf({ callFrame }: ProfileNode): string {
  const name = callFrame.functionName === "" ? "(anonymous)" : callFrame.functionName;
  if (callFrame.url === "") return name;
  const file = callFrame.url.split("/").slice(-3).join("/");
  return `${name} ${file}:${callFrame.lineNumber + 1}`;
}

/** A table of the thread that worked most, over all profiles in the folder. */
export function describeProfiles(directory: string): string {
  const threads = readdirSync(directory)
    .filter((file) => file.endsWith(".cpuprofile"))
    .map((file) =>
      selfTimes(JSON.parse(readFileSync(join(directory, file), "utf8")) as CpuProfile),
    );
  const busyOf = (times: Map<string, number>) =>
    [...times].reduce((sum, [name, micros]) => sum + (name === IDLE ? 0 : micros), 0);
  threads.sort((left, right) => busyOf(right) - busyOf(left));
  const [busiest] = threads;
  if (busiest === undefined) return `no profiles in ${directory}`;
  const busy = busyOf(busiest);
  const rows = [...busiest]
    .filter(([name]) => name !== IDLE)
    .sort((left, right) => right[1] - left[1])
    .slice(0, FUNCTIONS_SHOWN)
    .map(([name, micros]) => [
      name,
      `${((micros / busy) * 100).toFixed(1)} %`,
      `${(micros / 1000).toFixed(0)} ms`,
    ]);
  const head = ["self time of the busiest thread, idle left out", "share", "time"];
  return `${formatTable([head, ...rows])}profiles for a browser's developer tools: ${directory}\n`;
}
