/** The kinds of runs that a generator process can do. */

import { ConnectRun, type ConnectTask } from "./connect-run.ts";
import type { GeneratorRun } from "./generator-run.ts";
import { LoadRun, type LoadTask } from "./load-run.ts";
import { RetainedRun, type RetainedTask } from "./retained-run.ts";
import { SanityRun, type SanityTask } from "./sanity-run.ts";
import { StoredRun, type StoredTask } from "./stored-run.ts";
import { TakeoverRun, type TakeoverTask } from "./takeover-run.ts";

export type GeneratorTask =
  | LoadTask
  | SanityTask
  | ConnectTask
  | TakeoverTask
  | RetainedTask
  | StoredTask;

export function createRun(task: GeneratorTask): GeneratorRun {
  switch (task.kind) {
    case "load":
      return new LoadRun(task);
    case "sanity":
      return new SanityRun(task);
    case "connect":
      return new ConnectRun(task);
    case "takeover":
      return new TakeoverRun(task);
    case "retained":
      return new RetainedRun(task);
    case "stored":
      return new StoredRun(task);
  }
}
