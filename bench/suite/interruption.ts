/** What is said when a long run is interrupted. */

import { writeSync } from "node:fs";

const STDERR = 2;

/**
 * Writes `tell()` when this process is interrupted or ended from outside. First of all who hear of
 * it: whoever kills children and cleans up ends the process.
 */
export function tellWhenInterrupted(tell: () => string): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.prependOnceListener(signal, () => writeSync(STDERR, `\n${tell()}\n`));
  }
}
