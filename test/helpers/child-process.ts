/**
 * A child process that cannot outlive this one: killed when this process exits, is interrupted or
 * is terminated by the test runner, and temporary folders go with it. Its output is kept for
 * failure messages, and handed out line by line.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { removeFolders } from "./temporary-folder.ts";

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Enough to show why a process failed; a broker that logs forever does not fill our memory. */
const OUTPUT_KEPT = 64 * 1024;

const living = new Set<ChildProcess>();

/** For a child that was not started here. */
export function killWithThisProcess(child: ChildProcess): void {
  living.add(child);
  child.once("exit", () => living.delete(child));
}

function cleanUp(): void {
  for (const child of living) child.kill("SIGKILL");
  removeFolders();
}

process.on("exit", cleanUp);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    cleanUp();
    process.kill(process.pid, signal);
  });
}

export class SpawnedProcess {
  /** Called for each complete line of stdout and stderr. */
  onLine: (line: string) => void = () => {};
  /** Never rejects: a command that cannot be started ends with code 127. */
  readonly exited: Promise<ChildExit>;
  output = "";
  readonly #child: ChildProcess;

  constructor(
    command: string,
    args: readonly string[],
    options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
  ) {
    this.#child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
    living.add(this.#child);
    this.#child.stdin?.on("error", () => {});
    this.#readLines("stdout");
    this.#readLines("stderr");
    this.exited = this.#waitForEnd();
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Writes to the child's stdin, which stays open. */
  writeInput(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Writes to the child's stdin and closes it. */
  finishInput(text: string): void {
    this.#child.stdin?.end(text);
  }

  #readLines(name: "stdout" | "stderr"): void {
    let rest = "";
    const stream = this.#child[name];
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => {
      this.output = (this.output + chunk).slice(-OUTPUT_KEPT);
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.onLine(line);
    });
  }

  async #waitForEnd(): Promise<ChildExit> {
    try {
      const [code, signal] = await once(this.#child, "close");
      return { code, signal };
    } catch (error) {
      this.output += String(error);
      return { code: 127, signal: null };
    } finally {
      living.delete(this.#child);
    }
  }
}
