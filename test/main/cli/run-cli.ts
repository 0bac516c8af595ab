/** Runs the command line as a process of its own, for tests of exit codes and output. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN_FILE = fileURLToPath(new URL("../../../src/main.js", import.meta.url));

/**
 * Resolves when the process has ended. The environment holds nothing of the broker's but
 * `environment`.
 */
export function runCli(
  words: readonly string[],
  options: {
    readonly input?: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly cwd?: string;
  } = {},
): Promise<CliResult> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("RATATOSK_"));
  const child = spawn(process.execPath, [MAIN_FILE, ...words], {
    env: { ...Object.fromEntries(inherited), ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      output[name] += chunk;
    });
  }
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...output }));
  });
}
