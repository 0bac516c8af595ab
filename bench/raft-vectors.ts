/**
 * `npm run raft:vectors -- FOLDER ...`: runs every data-driven Raft vector below the folders (or
 * the files named) and prints `N passed, M failed`, before that what differs. Exit code 1 if
 * anything does, or nothing is there to run.
 */

import { runVectors, type VectorFailure } from "../test/helpers/raft-vectors.ts";
import { commandLine, readPaths } from "./command-line.ts";

const USAGE =
  "npm run raft:vectors -- FOLDER ...   (files of data-driven cases, or folders of them)";

/** Differences shown in full; the rest is counted. */
const SHOWN_FAILURES = 10;

function show({ file, line, directive, expected, actual }: VectorFailure): string {
  return `${file}:${line}: ${directive}\n-- expected\n${expected}\n-- actual\n${actual}\n`;
}

const runs = commandLine(USAGE, readPaths).map(runVectors);
const failures = runs.flatMap((run) => run.failures);
const passed = runs.reduce((sum, run) => sum + run.passed, 0);
for (const failure of failures.slice(0, SHOWN_FAILURES)) console.log(show(failure));
console.log(`${passed} passed, ${failures.length} failed`);
if (failures.length > 0 || passed === 0) process.exitCode = 1;
