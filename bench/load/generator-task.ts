/** The kinds of runs that a generator process can do. */

import type { GeneratorRun } from "./generator-run.ts";
import { LoadRun, type LoadTask } from "./load-run.ts";

export type GeneratorTask = LoadTask;

export function createRun(task: GeneratorTask): GeneratorRun {
  return new LoadRun(task);
}
