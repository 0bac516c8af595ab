/**
 * Who notices a mutant: the simulator within so many schedules, or else a test that aims at the
 * rule. Campaigns run in processes of their own, a thousand schedules each, because a mutant may
 * also hang.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildMutant, directedTests } from "./build-mutant.ts";
import type { Mutant } from "./mutant.ts";

export interface Verdict {
  /** The invariant; null when the simulator found nothing. */
  readonly caughtBy: string | null;
  /** Run so far; up to the failure, if there was one. */
  readonly schedules: number;
  /** The first directed test that fails; null when none does, or none was needed. */
  readonly directedTest: string | null;
}

export const NOT_JUDGED: Verdict = { caughtBy: null, schedules: 0, directedTest: null };

const SCHEDULES_AT_ONCE = 1000;
/** Some ten seconds of one core, unless it hangs. */
const TIME_LIMIT_MS = 600_000;

/** Goes on where `before` ended. */
export function judgeMutant(
  mutant: Mutant,
  folders: { build: string; target: string },
  limits: { firstSeed: number; scheduleLimit: number },
  before: Verdict,
): Verdict {
  const { build, target } = folders;
  const { firstSeed, scheduleLimit } = limits;
  buildMutant(build, target, mutant);
  let { schedules } = before;
  while (schedules < scheduleLimit) {
    const count = Math.min(SCHEDULES_AT_ONCE, scheduleLimit - schedules);
    const part = runCampaign(target, firstSeed + schedules, count);
    schedules += part.schedules;
    if (part.caughtBy !== null) return { ...part, schedules, directedTest: null };
  }
  return { caughtBy: null, schedules, directedTest: findDirectedTest(target) };
}

function runCampaign(target: string, seed: number, count: number) {
  const limits = ["--schedules", String(count), "--seed", String(seed), "--failures", "1"];
  const run = runNode([join(target, "bench/sim.js"), "--json", ...limits]);
  const line = run.stdout.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) {
    // Killed by the limit of time, or of memory. A program that ends by itself has judged nothing.
    if (run.signal === null) throw new Error(`${target}: no campaign: ${run.stderr}`);
    return { caughtBy: `does not come back (${run.signal})`, schedules: 0 };
  }
  const { scheduleCount, failures } = JSON.parse(line) as {
    scheduleCount: number;
    failures: { text: string }[];
  };
  return { caughtBy: failures[0]?.text.split(":")[0] ?? null, schedules: scheduleCount };
}

function findDirectedTest(target: string): string | null {
  const run = runNode(["--test", "--test-reporter=tap", ...directedTests(target)]);
  const [, name = null] = /^ *not ok \d+ - (?!\/)(.*)$/m.exec(run.stdout) ?? [];
  return name;
}

function runNode(programArguments: readonly string[]) {
  return spawnSync(process.execPath, programArguments, {
    encoding: "utf8",
    timeout: TIME_LIMIT_MS,
    maxBuffer: 2 ** 26,
  });
}
