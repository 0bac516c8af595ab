/** What all scripts share: where the project is, how a child runs, how a script gives up. */

import { spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Signals that a terminal or a supervisor sends to stop us, and that a child must hear of. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Ends the process with a text for people. */
export function fail(text, exitCode) {
  process.stderr.write(`${text}\n`);
  process.exit(exitCode);
}

/** Progress goes to stderr: stdout belongs to the program that is started. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Runs a command to its end; its stdout goes to our stderr. Returns the exit code. */
export function runSync(command, commandArguments, options = {}) {
  const child = spawnSync(command, commandArguments, {
    cwd: ROOT,
    stdio: ["ignore", process.stderr, process.stderr],
    ...options,
  });
  if (child.error) throw child.error;
  return child.status ?? 1;
}

/**
 * Runs `node` with these arguments to its end, passing stop signals on. Resolves with its exit
 * code.
 */
export function runNode(nodeArguments) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, nodeArguments, { cwd: ROOT, stdio: "inherit" });
    const relay = (signal) => child.kill(signal);
    for (const signal of STOP_SIGNALS) process.on(signal, relay);
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      for (const stopSignal of STOP_SIGNALS) process.off(stopSignal, relay);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
