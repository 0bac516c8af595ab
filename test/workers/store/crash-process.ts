/** A process of crash.test.ts: tells of each durable commit on stdout. */

import { writeSync } from "node:fs";
import { type CrashTask, writeUntilTheEnd } from "./crash-writer.ts";

const STDOUT = 1;

const task = JSON.parse(process.argv[2] ?? "{}") as CrashTask;
await writeUntilTheEnd(task, (number) => writeSync(STDOUT, `${number}\n`));
