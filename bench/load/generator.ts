/**
 * Entry of a generator process: does the steps of one run as its parent asks for them
 * (generator-process.ts). A process of its own, so that its event loop and its CPU time are nobody
 * else's; it ends with its parent.
 */

import type { GeneratorReply, GeneratorStep } from "./generator-process.ts";
import type { GeneratorRun } from "./generator-run.ts";
import { createRun, type GeneratorTask } from "./generator-task.ts";

let run: GeneratorRun | null = null;

async function take(step: GeneratorStep, task: GeneratorTask | null): Promise<GeneratorReply> {
  if (task !== null) run = createRun(task);
  if (run === null) throw new Error("the first step must bring the task");
  switch (step) {
    case "prepare":
      await run.prepare();
      return { step, counts: null };
    case "begin":
      run.begin();
      return { step, counts: null };
    case "work":
      await run.work;
      return { step, counts: null };
    case "openWindow":
      run.openWindow();
      return { step, counts: null };
    case "closeWindow":
      run.closeWindow();
      return { step, counts: null };
    case "finish":
      return { step, counts: await run.finish() };
  }
}

process.on("message", (message: { step: GeneratorStep; task: GeneratorTask | null }) => {
  take(message.step, message.task).then(
    (reply) => process.send?.(reply),
    (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.send?.({ step: message.step, counts: null, error: text });
    },
  );
});
process.on("disconnect", () => process.exit(0));
