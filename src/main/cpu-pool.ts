/**
 * The pool for jobs that would hold up an event loop for milliseconds: today password checks.
 * Workers ask through their ring to main (CPU_REQUEST), main hands the text to `handleRequest` and
 * sends the answer back (CPU_REPLY).
 *
 * The queue is bounded for the whole process: a flood of logins meets "busy" at once, so that it
 * costs neither memory nor a waiting time in which real clients give up. Threads start with the
 * first request and end when idle. Thread: main. Scope: one per process.
 */

import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Piscina } from "piscina";
import type { BrokerConfig } from "../shared/config/config.ts";
import {
  type CpuReply,
  type CpuTask,
  parseCpuRequest,
  UNREADABLE_REQUEST_ID,
} from "../shared/protocol/cpu-message.ts";

export interface CpuPool {
  /** Takes a CpuRequest as JSON and resolves to a CpuReply as JSON. Never rejects. */
  handleRequest(json: string): Promise<string>;
  /** Ends the threads; requests still running or waiting are answered "failed". */
  close(): Promise<void>;
}

/** Name of the function that the threads run; checked by the compiler against the task file. */
const TASK_NAME = "verifyPassword" satisfies keyof typeof import("./cpu-pool-task.ts");
/** A reconnect storm comes in waves; threads that stay for some seconds serve all of them. */
const IDLE_THREAD_MS = 10_000;
const MAX_THREADS = 4;

export function createCpuPool(config: BrokerConfig): CpuPool {
  return new PiscinaCpuPool(config.auth.maxPendingHashes);
}

/** Half the cores at most: the other half goes on delivering messages while everybody logs in. */
function threadCount(): number {
  return Math.max(1, Math.min(MAX_THREADS, Math.floor(availableParallelism() / 2)));
}

class PiscinaCpuPool implements CpuPool {
  readonly #maxPending: number;
  #pool: Piscina<CpuTask, boolean> | null = null;
  #pendingCount = 0;
  #isClosed = false;

  constructor(maxPending: number) {
    this.#maxPending = maxPending;
  }

  async handleRequest(json: string): Promise<string> {
    const request = parseCpuRequest(json);
    const reply =
      request === null
        ? failed(UNREADABLE_REQUEST_ID, "the request cannot be read")
        : await this.#execute(request.id, request.task);
    return JSON.stringify(reply);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pool?.destroy();
    this.#pool = null;
  }

  async #execute(id: number, task: CpuTask): Promise<CpuReply> {
    if (this.#isClosed) return failed(id, "the pool is closed");
    if (this.#pendingCount >= this.#maxPending) return { id, status: "busy" };
    this.#pendingCount++;
    try {
      this.#pool ??= startPool();
      return { id, status: "ok", matches: await this.#pool.run(task) };
    } catch (error) {
      return failed(id, error instanceof Error ? error.message : String(error));
    } finally {
      this.#pendingCount--;
    }
  }
}

function startPool(): Piscina<CpuTask, boolean> {
  // Source and build differ in the ending only, and the compiler rewrites imports but no URLs.
  const taskUrl = new URL(`./cpu-pool-task${extname(import.meta.url)}`, import.meta.url);
  return new Piscina<CpuTask, boolean>({
    filename: taskUrl.href,
    name: TASK_NAME,
    minThreads: 0,
    maxThreads: threadCount(),
    idleTimeout: IDLE_THREAD_MS,
  });
}

function failed(id: number, error: string): CpuReply {
  return { id, status: "failed", error };
}
