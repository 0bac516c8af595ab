/**
 * One life of one worker thread as main sees it: started with its part of the mesh, sends control
 * messages, ends once.
 *
 * Thread: main. Scope: one per worker start; a restarted worker is a new WorkerThread in the same
 * slot of the pool.
 */

import { Worker } from "node:worker_threads";
import { PatientTimer } from "../platform/patient-timer.ts";
import type {
  ControlFromWorker,
  ControlToWorker,
  WorkerBoot,
} from "../shared/protocol/worker-boot.ts";
import { bellsToTransfer, type MeshEndpoint } from "./ring-mesh.ts";

/**
 * Half of V8's own choice. Nearly everything that a connect allocates stays, so a storm of them
 * makes V8 copy the whole young generation each time: 10 ms in which nobody is served, and 4 with
 * this. Hot paths allocate next to nothing, so nothing else is slower for it.
 */
const YOUNG_GENERATION_MIB = 8;

export type WorkerState = "starting" | "ready" | "drained" | "ended";

/** Why a thread ended: what it threw, if anything, and its exit code. */
export interface WorkerEnd {
  readonly error: Error | null;
  readonly exitCode: number;
}

export interface WorkerThreadEvents {
  /** Called after `state` has followed the message. */
  onMessage(thread: WorkerThread, message: ControlFromWorker): void;
  onEnd(thread: WorkerThread, end: WorkerEnd): void;
}

/**
 * Closing the stores takes a few commits, on a busy disk seconds. A thread that is ended amid one
 * takes the process along: LMDB goes on writing for it in libuv's pool.
 */
const END_TIMEOUT_MS = 20_000;

export class WorkerThread {
  readonly threadIndex: number;
  readonly incarnation: number;
  readonly startedAtMs: number;
  state: WorkerState = "starting";
  readonly #worker: Worker;

  constructor(
    entry: URL,
    boot: Omit<WorkerBoot, keyof MeshEndpoint>,
    endpoint: MeshEndpoint,
    events: WorkerThreadEvents,
    nowMs: number,
  ) {
    this.threadIndex = boot.threadIndex;
    this.incarnation = boot.incarnation;
    this.startedAtMs = nowMs;
    const workerData = { ...boot, ...endpoint };
    const transferList = bellsToTransfer(endpoint);
    this.#worker = new Worker(entry, {
      workerData,
      transferList,
      name: `w${boot.threadIndex}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    });
    let error: Error | null = null;
    this.#worker.on("error", (cause: unknown) => {
      error = cause instanceof Error ? cause : new Error(String(cause));
    });
    this.#worker.on("message", (message: ControlFromWorker) => {
      if (message.type === "ready") this.state = "ready";
      if (message.type === "drained") this.state = "drained";
      events.onMessage(this, message);
    });
    this.#worker.on("exit", (exitCode) => {
      this.state = "ended";
      events.onEnd(this, { error, exitCode });
    });
  }

  /** A replaced peer's bell goes along by transfer; everything else is copied. */
  send(message: ControlToWorker): void {
    // Every bell is a MessagePort; the contract names only the part that a doorbell needs.
    const transferList = message.type === "replace_peer" ? [message.bell as never] : [];
    this.#worker.postMessage(message, transferList);
  }

  /**
   * Ends the thread: asks it to close its sockets, because a live uWebSockets.js listener in a
   * thread that ends aborts the process; a thread that does not answer is ended all the same.
   */
  async terminate(): Promise<void> {
    if (this.state === "ended") return;
    const ended = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    this.#worker.postMessage({ type: "end" } satisfies ControlToWorker);
    const timer = new PatientTimer(() => void this.#worker.terminate(), END_TIMEOUT_MS);
    await ended;
    timer.cancel();
  }
}
