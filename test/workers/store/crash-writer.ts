/** Writes a crash workload into a store until its process or thread is ended. */

import type { LogKind } from "../../../src/shared/config/config.ts";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { CrashWorkload } from "./crash-workload.ts";

export interface CrashTask {
  readonly folder: string;
  readonly durability: "fsync" | "os";
  readonly log: LogKind;
  readonly seed: number;
}

/** Two commits at a time; `tell` hears the number of each durable one. */
export async function writeUntilTheEnd(
  task: CrashTask,
  tell: (number: number) => void,
): Promise<never> {
  const store = openLogStore(task);
  const workload = new CrashWorkload(task.seed);
  workload.check(store);
  const write = async (): Promise<never> => {
    for (;;) {
      workload.step(store);
      const number = workload.commits;
      await store.commit();
      tell(number);
    }
  };
  return await Promise.race([write(), write()]);
}
