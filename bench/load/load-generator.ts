/**
 * Entry of a generator process: one task as JSON in argv, one result as a JSON line on stdout.
 * A process of its own, so that its event loop and its CPU time are nobody else's.
 */

import { LoadRun } from "./load-run.ts";
import type { LoadTask } from "./scenario.ts";

const task = JSON.parse(process.argv[2] ?? "{}") as LoadTask;
const result = await new LoadRun(task).run();
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
