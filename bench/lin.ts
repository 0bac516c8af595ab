/**
 * `npm run lin -- FOLDER ...`: the linearizability checker beside verdicts that others have found.
 * Prints each log that it judges differently, then `N agree, M differ`; ends with 1 when any does,
 * or when there is none.
 */

import { judgeFolder } from "../test/sim/lin/judge-folder.ts";
import { commandLine, readPaths } from "./command-line.ts";

const USAGE = "npm run lin -- FOLDER ...   (folders of logs with an expected.json)";

const judged = commandLine(USAGE, readPaths).flatMap((folder) => judgeFolder(folder));
const different = judged.filter(({ agrees }) => !agrees);
for (const { path, expected, verdict } of different) {
  console.log(`${path}: ${verdict}, expected ${expected ? "linearizable" : "violated"}`);
}
console.log(`${judged.length - different.length} agree, ${different.length} differ`);
if (different.length > 0 || judged.length === 0) process.exitCode = 1;
