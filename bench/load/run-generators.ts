/**
 * Runs one or several generator processes through their steps together, and adds their counts up.
 *
 * Several processes share a load's publishers and subscribers, each with topics of its own: with k
 * processes a fan-out becomes k smaller fan-outs. Use more than one only where cores are free: each
 * takes up to one.
 */

import { GeneratorProcess } from "./generator-process.ts";
import { pause } from "./generator-run.ts";
import type { GeneratorTask } from "./generator-task.ts";
import { LatencyHistogram } from "./latency.ts";
import type { LoadTask } from "./load-run.ts";
import type {
  BrokerCost,
  DeliveryCheck,
  GeneratorCounts,
  LoadResult,
  LoadShape,
  LoadTarget,
} from "./load-shape.ts";
import { machineBusySeconds } from "./machine-cpu.ts";
import { processPeakBytes, processThreads } from "./process-cpu.ts";

const MIB = 1024 * 1024;

/** Told when the measured interval begins and ends: for what the broker itself counts. */
export interface WindowWatch {
  opens(): Promise<void>;
  closed(): Promise<void>;
}

export interface RunTiming {
  readonly warmUpMs: number;
  readonly watch?: WindowWatch;
  /** Null: until the work of all processes is done. */
  readonly measureMs: number | null;
}

/** All tasks at once, one process each; `target` is the broker whose cost is reported. */
export async function runGenerators(
  tasks: readonly GeneratorTask[],
  target: LoadTarget,
  timing: RunTiming,
): Promise<LoadResult> {
  const [result] = await runGroups([tasks], target, timing);
  return result!;
}

/**
 * As `runGenerators`, but with one result per group of tasks: loads that differ, at the same time.
 * The window of those with an end of their own spans their work; the others go on until all of that
 * is done and `measureMs` is over.
 */
export async function runGroups(
  groups: readonly (readonly GeneratorTask[])[],
  target: LoadTarget,
  timing: RunTiming,
): Promise<LoadResult[]> {
  const processes = groups.map((tasks) => tasks.map((task) => new GeneratorProcess(task)));
  const all = processes.flat();
  const each = (step: "prepare" | "begin" | "openWindow" | "closeWindow" | "work") =>
    Promise.all(all.map((generator) => generator.step(step)));
  try {
    let busyBefore = -1;
    const open = async () => {
      await timing.watch?.opens();
      await each("openWindow");
      busyBefore = machineBusySeconds();
    };
    await each("prepare");
    if (timing.measureMs === null) {
      await open();
      await each("begin");
      await each("work");
    } else {
      await each("begin");
      await pause(timing.warmUpMs);
      await open();
      await Promise.all([pause(timing.measureMs), each("work")]);
    }
    const busySeconds = machineBusySeconds() - busyBefore;
    await each("closeWindow");
    await timing.watch?.closed();
    const counts: GeneratorCounts[][] = [];
    for (const group of processes) counts.push(await finish(group));
    const othersCores = coresOfOthers(counts.flat(), busySeconds);
    return counts.map((group) => ({ ...addUp(group, target), othersCores }));
  } finally {
    await Promise.all(all.map((generator) => generator.stop()));
  }
}

/**
 * What neither the generators nor the broker used of the machine, in cores. Includes interrupts and
 * this process.
 */
function coresOfOthers(counts: readonly GeneratorCounts[], busySeconds: number): number {
  const { seconds, broker } = counts[0]!;
  const brokerMicros = broker === null ? 0 : broker.userMicros + broker.systemMicros;
  const ownMicros = counts.reduce((sum, one) => sum + one.ownCpuMicros, brokerMicros);
  return Math.max(0, busySeconds - ownMicros / 1e6) / seconds;
}

async function finish(group: readonly GeneratorProcess[]): Promise<GeneratorCounts[]> {
  const replies = await Promise.all(group.map((generator) => generator.step("finish")));
  return replies.map((reply) => reply.counts!);
}

/** The tasks of one load over `processes` processes; each gets its share of clients and rate. */
export function splitLoad(
  shape: LoadShape,
  target: LoadTarget,
  options: { processes: number; frozen: LoadTask["frozen"]; name: string },
): LoadTask[] {
  const clients = Math.min(options.processes, shape.publishers, shape.subscribers);
  const processes = Math.max(1, clients);
  const share = (total: number, index: number) =>
    Math.floor(total / processes) + (index < total % processes ? 1 : 0);
  return Array.from({ length: processes }, (_none, index) => ({
    kind: "load",
    target,
    prefix: `${options.name}-${index}`,
    frozen: index === 0 ? options.frozen : null,
    shape: {
      ...shape,
      publishers: share(shape.publishers, index),
      subscribers: share(shape.subscribers, index),
      filters: share(shape.filters, index),
      pace:
        shape.pace.kind === "closed"
          ? shape.pace
          : { kind: "open", publishesPerSecond: shape.pace.publishesPerSecond / processes },
    },
  }));
}

/** Rates and counts add up; each generator's share stands for itself, so the busiest one counts. */
function addUp(
  counts: readonly GeneratorCounts[],
  target: LoadTarget,
): Omit<LoadResult, "othersCores"> {
  const sum = (pick: (one: GeneratorCounts) => number) =>
    counts.reduce((total, one) => total + pick(one), 0);
  const seconds = sum((one) => one.seconds) / counts.length;
  const operations = sum((one) => one.operations);
  const histogram = LatencyHistogram.merged(counts.map((one) => one.latency));
  const acknowledged = counts.flatMap(({ acknowledgement: one }) =>
    one === undefined ? [] : [one],
  );
  return {
    seconds,
    operations,
    perSecond: sum((one) => one.operations / one.seconds),
    latency: histogram.percentiles(),
    histogram: histogram.encode(),
    broker: brokerCost(counts[0]!, operations, target),
    generatorShare: Math.max(...counts.map((one) => one.ownCpuMicros / (one.seconds * 1e6))),
    check: addChecks(counts.map((one) => one.check)),
    unfinished: {
      unsent: sum((one) => one.unfinished?.unsent ?? 0),
      late: sum((one) => one.unfinished?.late ?? 0),
    },
    figures: addFigures(counts.map((one) => one.figures)),
    ...(acknowledged.length === 0 ? {} : acknowledgementOf(acknowledged)),
  };
}

function acknowledgementOf(histograms: readonly string[]): { acknowledgement: string } {
  return { acknowledgement: LatencyHistogram.merged(histograms).encode() };
}

/** From the first process' readings: the window is the same for all. */
function brokerCost(
  counts: GeneratorCounts,
  operations: number,
  target: LoadTarget,
): BrokerCost | null {
  const { broker, seconds } = counts;
  if (broker === null) return null;
  const each = Math.max(1, operations);
  return {
    userMicrosPerOperation: broker.userMicros / each,
    systemMicrosPerOperation: broker.systemMicros / each,
    cores: (broker.userMicros + broker.systemMicros) / (seconds * 1e6),
    peakMiB: processPeakBytes(target.pid) / MIB,
    threads: processThreads(target.pid),
  };
}

function addChecks(checks: readonly DeliveryCheck[]): DeliveryCheck {
  const sum = (field: keyof DeliveryCheck) =>
    checks.reduce((total, check) => total + check[field], 0);
  return {
    expected: sum("expected"),
    received: sum("received"),
    lost: sum("lost"),
    repeated: sum("repeated"),
    disordered: sum("disordered"),
    corrupt: sum("corrupt"),
  };
}

/** Percentiles cannot be added: the worst process speaks for all. */
function addFigures(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const figures of all) {
    for (const [name, value] of Object.entries(figures)) {
      const isWorst = /P\d+|max/i.test(name);
      const known = total[name];
      if (known === undefined) total[name] = value;
      else total[name] = isWorst ? Math.max(known, value) : known + value;
    }
  }
  return total;
}
