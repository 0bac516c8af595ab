/** The parent's end of a generator process: one promise per step. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { killWithThisProcess } from "../../test/helpers/child-process.ts";
import type { GeneratorTask } from "./generator-task.ts";
import type { GeneratorCounts } from "./load-shape.ts";

export type GeneratorStep = "prepare" | "begin" | "work" | "openWindow" | "closeWindow" | "finish";

export interface GeneratorReply {
  readonly step: GeneratorStep;
  /** Of the last step. */
  readonly counts: GeneratorCounts | null;
  readonly error?: string;
}

interface Waiter {
  resolve(reply: GeneratorReply): void;
  reject(error: Error): void;
}

const STOP_WAIT_MS = 3_000;
const GENERATOR_FILE = fileURLToPath(new URL("./generator.js", import.meta.url));

export class GeneratorProcess {
  readonly #child: ChildProcess;
  readonly #waiters = new Map<GeneratorStep, Waiter>();
  #task: GeneratorTask | null;
  #failure: Error | null = null;

  constructor(task: GeneratorTask) {
    this.#task = task;
    this.#child = fork(GENERATOR_FILE, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    killWithThisProcess(this.#child);
    this.#child.on("message", (reply) => this.#takeReply(reply as GeneratorReply));
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("exit", (code, signal) => {
      this.#fail(new Error(`the generator ended early: code ${code}, signal ${signal}`));
    });
  }

  /** One step; steps with different names may overlap ("work" waits beside the others). */
  step(step: GeneratorStep): Promise<GeneratorReply> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      this.#waiters.set(step, { resolve, reject });
      this.#child.send({ step, task: this.#task });
      this.#task = null;
    });
  }

  /**
   * Lets the process end by itself, so that a profile of it gets written; kills it when it does
   * not.
   */
  async stop(): Promise<void> {
    this.#child.removeAllListeners("exit");
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_WAIT_MS);
    if (this.#child.connected) this.#child.disconnect();
    await ended;
    clearTimeout(killer);
  }

  #takeReply(reply: GeneratorReply): void {
    const waiter = this.#waiters.get(reply.step);
    this.#waiters.delete(reply.step);
    if (reply.error === undefined) waiter?.resolve(reply);
    else waiter?.reject(new Error(`generator, ${reply.step}: ${reply.error}`));
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#waiters.clear();
  }
}
