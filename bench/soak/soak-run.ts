/**
 * Runs a store soak: starts the process, kills it once a minute, starts it again, and listens.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { killWithThisProcess } from "../../test/helpers/child-process.ts";
import type { SoakMessage, SoakTask } from "./soak-message.ts";
import { type SoakReport, SoakTotals } from "./soak-totals.ts";

const SERVER = fileURLToPath(new URL("soak-server.js", import.meta.url));

export interface SoakTiming {
  readonly seconds: number;
  readonly secondsPerLife: number;
  /** Called each second. */
  readonly progress: (second: number, report: SoakReport) => void;
}

export async function runSoak(task: SoakTask, timing: SoakTiming): Promise<SoakReport> {
  const totals = new SoakTotals();
  let child = start(task, totals);
  const begin = performance.now();
  for (let second = 1; second <= timing.seconds; second++) {
    const aheadMs = begin + second * 1000 - performance.now();
    if (aheadMs > 0) await sleep(aheadMs);
    totals.addPoint(second);
    timing.progress(second, totals.report(second));
    const isLast = second === timing.seconds;
    if (!isLast && second % timing.secondsPerLife !== 0) continue;
    await kill(child, totals);
    totals.addKill();
    // After the last kill too: what is left must be sound.
    child = start(task, totals);
    if (isLast) await once(child, "message");
  }
  // The last life only had to open the stores.
  await sleep(1000);
  await kill(child, totals);
  return totals.report(timing.seconds);
}

function start(task: SoakTask, totals: SoakTotals): ChildProcess {
  const child = fork(SERVER, [JSON.stringify(task)]);
  killWithThisProcess(child);
  child.on("message", (message: SoakMessage) => {
    if (message.kind === "opened") totals.addOpened(message.opened);
    else totals.addStatus(message.status);
  });
  return child;
}

async function kill(child: ChildProcess, totals: SoakTotals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    totals.addError(`the process ended by itself with ${child.exitCode ?? child.signalCode}`);
    return;
  }
  const ended = once(child, "close");
  child.kill("SIGKILL");
  await ended;
}
