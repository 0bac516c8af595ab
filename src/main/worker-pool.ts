/**
 * Supervisor of the workers: starts them, tells who listens where, restarts those that die while
 * the others serve on, and passes reload and drain to all.
 *
 *   spawn -> starting -> ready -> (drained) -> ended -> rings replaced at once, new start after the policy's wait
 *
 * A dead worker's rings are replaced before its successor starts, because its peers must not fill
 * rings that nobody will ever read. What they send meanwhile waits in the fresh rings.
 *
 * Thread: main. Scope: one per process.
 */

import type { Log } from "../platform/log.ts";
import { PatientTimer } from "../platform/patient-timer.ts";
import { assert } from "../shared/base/assert.ts";
import type { BrokerConfig } from "../shared/config/config.ts";
import type {
  ControlFromWorker,
  ControlToWorker,
  SessionEnding,
  StorageBoot,
} from "../shared/protocol/worker-boot.ts";
import { clearQuotas } from "../shared/quota/quota-ledger.ts";
import { clearDeadWorker } from "./dead-worker.ts";
import { ExitCode, ExitError } from "./exit-code.ts";
import { listenerName, listenFailure } from "./probe-listeners.ts";
import { RestartPolicy } from "./restart-policy.ts";
import type { MeshEndpoint, PeerReplacement, RingMesh } from "./ring-mesh.ts";
import { type WorkerEnd, WorkerThread } from "./worker-thread.ts";

export interface WorkerPoolOptions {
  /** Compiled entry file of the worker threads. */
  readonly entry: URL;
  readonly config: BrokerConfig;
  readonly log: Log;
  readonly mesh: RingMesh;
  readonly counters: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  readonly clockOriginMs: number;
  readonly quotas: SharedArrayBuffer;
  /** Main's own rings to a worker that died were replaced. */
  readonly onPeerReplaced: (replacement: PeerReplacement) => void;
  /** Asked at each start of a worker. */
  readonly storage: () => StorageBoot;
  /** The pool cannot go on: workers die faster than restarting helps. */
  readonly onFatal: (error: ExitError) => void;
  /** A store has found the disk full, or has space again. */
  readonly onStoreSpace: (storeId: number, isShort: boolean) => void;
  readonly nowMs: () => number;
}

/** How many workers serve; the rest is starting or waiting to start. */
export interface WorkerCounts {
  readonly ready: number;
  readonly total: number;
}

type MutableEndpoint = { -readonly [K in keyof MeshEndpoint]: [...MeshEndpoint[K]] };

interface Slot {
  readonly threadIndex: number;
  thread: WorkerThread | null;
  /** For the next start; patched when a peer is replaced before that start happens. */
  nextEndpoint: MutableEndpoint | null;
  restartTimer: NodeJS.Timeout | null;
  restarts: number;
}

/** Callbacks of an operation that waits for one message or the end of each worker. */
type Waiter = (thread: WorkerThread, message: ControlFromWorker | WorkerEnd) => void;

/**
 * A worker that has not bound its sockets by then is stuck: ten times what a loaded machine needs.
 */
const START_TIMEOUT_MS = 30_000;
const RELOAD_TIMEOUT_MS = 30_000;
const RESPAWN_RETRY_MS = 10;
/** A claim, two commands and a connection that closes: milliseconds, unless the disk hangs. */
const END_SESSION_TIMEOUT_MS = 10_000;
const DIED_EARLY = "a worker ended while the others were starting";

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #slots: Slot[];
  readonly #policy = new RestartPolicy();
  readonly #boundPorts = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  #config: BrokerConfig;
  #lastIncarnation = 0;
  #lastRequest = 0;
  /**
   * False until all have started once, and again from `drain` or `close` on: then nothing is
   * restarted.
   */
  #isSupervising = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#slots = Array.from({ length: options.config.workers }, (_, index) => ({
      threadIndex: index + 1,
      thread: null,
      nextEndpoint: mutable(options.mesh.endpoint(index + 1)),
      restartTimer: null,
      restarts: 0,
    }));
  }

  /** Ports by listener id, as far as they are bound. */
  get boundPorts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#boundPorts);
  }

  get counts(): WorkerCounts {
    return { ready: this.#slots.filter(isReady).length, total: this.#slots.length };
  }

  /** Starts of worker `threadIndex` after its first. */
  restartsOf(threadIndex: number): number {
    return this.#slots[threadIndex - 1]?.restarts ?? 0;
  }

  /**
   * Starts all workers; resolves when every one serves. Rejects with ExitError after ending what
   * was started.
   */
  async start(): Promise<void> {
    const [first, ...others] = this.#slots;
    assert(first !== undefined, "worker pool: no workers");
    // Ports left to the kernel: one worker takes them, the others then share them.
    const hasFreePort = this.#config.listeners.some((listener) => listener.port === 0);
    try {
      // All at once, because none serves before all have opened their stores.
      const taker = this.#spawn(first, false);
      const sharers = others.map((slot) => this.#spawn(slot, hasFreePort));
      if (hasFreePort) {
        await this.#allReady([taker], sharers);
        const { boundPorts } = this;
        for (const thread of sharers) thread.send({ type: "listen", boundPorts });
        await this.#allReady(sharers, [taker]);
      } else {
        await this.#allReady([taker, ...sharers], []);
      }
      // One may have ended in between.
      if (this.counts.ready < this.counts.total) throw new ExitError(ExitCode.RUNTIME, DIED_EARLY);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#isSupervising = true;
  }

  /**
   * Hands a new configuration to every worker. Resolves with what the workers could not take, by
   * worker.
   */
  async reload(config: BrokerConfig): Promise<{ worker: number; error: string }[]> {
    this.#config = config;
    const errors: { worker: number; error: string }[] = [];
    const threads = this.#liveThreads();
    const done = this.#waitForEach(threads, RELOAD_TIMEOUT_MS, (thread, message) => {
      // A worker that ended starts again, with this configuration.
      if ("exitCode" in message) return true;
      if (message.type !== "reloaded") return false;
      if (message.error !== null) errors.push({ worker: thread.threadIndex, error: message.error });
      return true;
    });
    this.#broadcast({ type: "reload", config });
    for (const worker of await done) errors.push({ worker, error: "no answer" });
    return errors;
  }

  /** Has a session ended; null: nobody can be asked, or did not answer in time. */
  async endSession(tenantId: string, clientId: string): Promise<SessionEnding | null> {
    const thread = this.#slots.find(isReady)?.thread ?? null;
    if (thread === null) return null;
    const request = ++this.#lastRequest;
    let ending: SessionEnding | null = null;
    const done = this.#waitForEach([thread], END_SESSION_TIMEOUT_MS, (_, message) => {
      if ("exitCode" in message) return true;
      if (message.type !== "session_ended" || message.request !== request) return false;
      ending = message.ending;
      return true;
    });
    thread.send({ type: "end_session", request, tenantId, clientId });
    await done;
    return ending;
  }

  /**
   * Asks all workers to say good-bye to their clients. Resolves with the workers that did not
   * finish in time.
   */
  async drain(reasonCode: number, timeoutMs: number): Promise<readonly number[]> {
    this.#stopSupervising();
    const done = this.#waitForEach(this.#liveThreads(), timeoutMs, (_, message) => {
      return "exitCode" in message || message.type === "drained";
    });
    this.#broadcast({ type: "drain", reasonCode });
    return await done;
  }

  /** Ends all threads at once. */
  async close(): Promise<void> {
    this.#stopSupervising();
    await Promise.all(this.#slots.map((slot) => slot.thread?.terminate()));
  }

  #stopSupervising(): void {
    this.#isSupervising = false;
    for (const slot of this.#slots) {
      if (slot.restartTimer !== null) clearTimeout(slot.restartTimer);
      slot.restartTimer = null;
    }
  }

  /** Rejects when one of `threads` cannot start, or one of `others` ends meanwhile. */
  async #allReady(
    threads: readonly WorkerThread[],
    others: readonly WorkerThread[],
  ): Promise<void> {
    let failure: ExitError | null = null;
    // Nobody restarts it yet, and those that wait for it would wait in vain.
    const watcher: Waiter = (thread, message) => {
      if (!("exitCode" in message) || !others.includes(thread)) return;
      failure ??= endedWhileStarting(thread, message);
      for (const starting of threads) void starting.terminate();
    };
    this.#waiters.add(watcher);
    const late = await this.#waitForEach(threads, START_TIMEOUT_MS, (thread, message) => {
      if ("exitCode" in message) failure ??= endedWhileStarting(thread, message);
      else if (message.type === "listen_failed") failure ??= this.#listenFailure(message);
      else return message.type === "ready";
      return true;
    });
    this.#waiters.delete(watcher);
    if (late.length > 0) {
      const text = `workers ${late.join(", ")} did not start within ${START_TIMEOUT_MS / 1000} s`;
      failure ??= new ExitError(ExitCode.RUNTIME, text);
    }
    if (failure !== null) throw failure;
  }

  #spawn(slot: Slot, waitsToListen = false): WorkerThread {
    const { entry, counters, words, quotas, clockOriginMs, mesh, nowMs, storage } = this.#options;
    const endpoint = slot.nextEndpoint;
    assert(endpoint !== null, "worker pool: a start without rings");
    const boot = {
      threadIndex: slot.threadIndex,
      threadCount: mesh.threadCount,
      incarnation: ++this.#lastIncarnation,
      // Those still starting, too: what they announced to this worker's predecessor is lost.
      config: this.#config,
      storage: storage(),
      waitsToListen,
      counters,
      words,
      clockOriginMs,
      quotas,
      boundPorts: this.boundPorts,
    };
    const events = {
      onMessage: (thread: WorkerThread, message: ControlFromWorker) => {
        this.#handleMessage(thread, message);
      },
      onEnd: (thread: WorkerThread, end: WorkerEnd) => this.#handleEnd(slot, thread, end),
    };
    const thread = new WorkerThread(entry, boot, endpoint, events, nowMs());
    slot.thread = thread;
    slot.nextEndpoint = null;
    return thread;
  }

  #handleMessage(thread: WorkerThread, message: ControlFromWorker): void {
    const { log } = this.#options;
    const worker = thread.threadIndex;
    if (message.type === "listening") this.#recordPort(message.listenerId, message.port);
    else if (message.type === "ready") log.info("worker_ready", { worker });
    else if (message.type === "store_failed") this.#storeFailed(message);
    else if (message.type === "store_space") {
      this.#options.onStoreSpace(message.storeId, message.isShort);
    } else if (message.type === "listen_failed" && this.#isSupervising) {
      const { listenerId, error } = message;
      log.error("listen_failed", { worker, listener: listenerId, reason: error });
      // It would serve some listeners and not others. Its end makes it start again.
      void thread.terminate();
    }
    for (const waiter of [...this.#waiters]) waiter(thread, message);
  }

  #storeFailed({ storeId, error }: ControlFromWorker & { type: "store_failed" }): void {
    this.#stopSupervising();
    const text = `store ${storeId} could not be written, and what it holds is not known: ${error}`;
    this.#options.onFatal(new ExitError(ExitCode.RUNTIME, text));
  }

  /** Every worker reports every listener; the operator wants to hear of each once. */
  #recordPort(listenerId: string, port: number): void {
    if (this.#boundPorts.has(listenerId)) return;
    this.#boundPorts.set(listenerId, port);
    const listener = this.#config.listeners.find(({ id }) => id === listenerId);
    const { protocol, host, path } = listener ?? {};
    const suffix = path === undefined || path === "" ? {} : { path };
    this.#options.log.info("listening", { listener: listenerId, protocol, host, port, ...suffix });
  }

  #handleEnd(slot: Slot, thread: WorkerThread, end: WorkerEnd): void {
    slot.thread = null;
    if (this.#isSupervising) this.#restart(slot, thread, end);
    for (const waiter of [...this.#waiters]) waiter(thread, end);
  }

  #restart(slot: Slot, thread: WorkerThread, end: WorkerEnd): void {
    const { log, mesh, counters, words, quotas, nowMs, onFatal } = this.#options;
    const worker = slot.threadIndex;
    log.error("worker_died", {
      worker,
      exit_code: end.exitCode,
      uptime_ms: Math.round(nowMs() - thread.startedAtMs),
      ...(end.error === null ? {} : { error: end.error }),
    });
    clearDeadWorker(counters, words, worker);
    clearQuotas(quotas, worker);
    const delayMs = this.#policy.recordDeath(nowMs());
    if (delayMs < 0) {
      this.#stopSupervising();
      const text = "workers keep dying; the log says why, and restarting them does not help";
      onFatal(new ExitError(ExitCode.RUNTIME, text, { cause: end.error }));
      return;
    }
    const replacement = mesh.replace(worker);
    slot.nextEndpoint = mutable(replacement.endpoint);
    for (const peer of replacement.peers) this.#replacePeer(peer, thread.incarnation);
    log.warn("worker_restarting", { worker, delay_ms: delayMs });
    slot.restarts++;
    this.#respawnAfter(slot, delayMs);
  }

  #respawnAfter(slot: Slot, delayMs: number): void {
    slot.restartTimer = setTimeout(() => {
      slot.restartTimer = null;
      try {
        this.#spawn(slot);
      } catch (error) {
        // A bell's other end belonged to a peer that has died since; news of that, and a fresh
        // bell, are on their way.
        if ((error as Error).name !== "DataCloneError") throw error;
        this.#respawnAfter(slot, RESPAWN_RETRY_MS);
      }
    }, delayMs);
  }

  #replacePeer(replacement: PeerReplacement, incarnation: number): void {
    const { thread: target, peer, inbound, outbound, bell } = replacement;
    if (target === 0) {
      this.#options.onPeerReplaced(replacement);
      return;
    }
    const slot = this.#slots[target - 1];
    if (slot?.thread !== null) {
      slot?.thread.send({ type: "replace_peer", peer, incarnation, inbound, outbound, bell });
    } else if (slot.nextEndpoint !== null) {
      // That worker is dead too and has not started again: it shall begin with the fresh rings.
      slot.nextEndpoint.inbound[peer] = inbound;
      slot.nextEndpoint.outbound[peer] = outbound;
      slot.nextEndpoint.bells[peer]?.close();
      slot.nextEndpoint.bells[peer] = bell;
    }
  }

  #listenFailure(message: ControlFromWorker & { type: "listen_failed" }): ExitError {
    const listener = this.#config.listeners.find(({ id }) => id === message.listenerId);
    const code = /\bE[A-Z]{3,}\b/.exec(message.error)?.[0];
    const error: NodeJS.ErrnoException = new Error(message.error);
    if (code !== undefined) error.code = code;
    if (listener === undefined) return new ExitError(ExitCode.UNAVAILABLE, message.error);
    return listenFailure(listenerName(listener), listener.port, error);
  }

  #liveThreads(): WorkerThread[] {
    return this.#slots.map((slot) => slot.thread).filter((thread) => thread !== null);
  }

  #broadcast(message: Exclude<ControlToWorker, { type: "replace_peer" }>): void {
    for (const thread of this.#liveThreads()) thread.send(message);
  }

  /**
   * Resolves when `isDone` was true once for each thread, or when time is up; with the workers
   * still missing then.
   */
  #waitForEach(
    threads: readonly WorkerThread[],
    timeoutMs: number,
    isDone: (thread: WorkerThread, message: ControlFromWorker | WorkerEnd) => boolean,
  ): Promise<readonly number[]> {
    const missing = new Set(threads);
    return new Promise((resolve) => {
      const finish = () => {
        timer.cancel();
        this.#waiters.delete(waiter);
        resolve([...missing].map((thread) => thread.threadIndex));
      };
      const waiter: Waiter = (thread, message) => {
        if (!missing.has(thread) || !isDone(thread, message)) return;
        missing.delete(thread);
        if (missing.size === 0) finish();
      };
      const timer = new PatientTimer(finish, timeoutMs);
      this.#waiters.add(waiter);
      if (missing.size === 0) finish();
    });
  }
}

function isReady(slot: Slot): boolean {
  return slot.thread?.state === "ready";
}

function mutable(endpoint: MeshEndpoint): MutableEndpoint {
  const { inbound, outbound, bells } = endpoint;
  return { inbound: [...inbound], outbound: [...outbound], bells: [...bells] };
}

function endedWhileStarting(thread: WorkerThread, end: WorkerEnd): ExitError {
  const reason = end.error?.message ?? `exit code ${end.exitCode}`;
  const text = `worker ${thread.threadIndex} ended while starting: ${reason}`;
  return new ExitError(ExitCode.RUNTIME, text, { cause: end.error });
}
