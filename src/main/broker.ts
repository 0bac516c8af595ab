/**
 * Composition root of the process: everything of the control plane is made here and nowhere else.
 *
 *   start:  data folder taken -> addresses probed -> admin server (not ready)
 *           -> workers open their stores -> ranges served -> listening -> ready
 *   drain:  not ready -> workers say good-bye to clients -> everything closed
 *   reload: whole new configuration or none -> workers take it -> log says what changed and what needs a restart
 *
 * Thread: main. Scope: one per process.
 */

import { randomInt } from "node:crypto";
import { extname } from "node:path";
import { performance } from "node:perf_hooks";
import {
  type DataFolder,
  DataFolderError,
  DataFolderFault,
  type DataFolderPlan,
  openDataFolder,
} from "../platform/data-folder.ts";
import { DiskSpaceWatch } from "../platform/disk-space.ts";
import type { Log } from "../platform/log.ts";
import { monotonicClock } from "../platform/monotonic-clock.ts";
import { poolThreads, poolThreadsFor } from "../platform/thread-pool.ts";
import { assert } from "../shared/base/assert.ts";
import type { BrokerConfig } from "../shared/config/config.ts";
import { counterTableSize } from "../shared/metrics/counter-table.ts";
import { sharedWordsSize } from "../shared/metrics/shared-words.ts";
import { SteadyClock } from "../shared/metrics/steady-clock.ts";
import type { StorageBoot } from "../shared/protocol/worker-boot.ts";
import { createQuotaMemory } from "../shared/quota/quota-ledger.ts";
import { PROCESS_NUMBER_BOUND } from "../shared/range/worker-life.ts";
import { AcceptTokens } from "./accept-tokens.ts";
import { BrokerMetrics } from "./admin/broker-metrics.ts";
import { AdminServer, type BrokerPhase } from "./admin/http-server.ts";
import { ClockWatch } from "./clock-watch.ts";
import { compareConfigs, keepFixed } from "./config/config-change.ts";
import type { LoadedConfig } from "./config/load-config.ts";
import { ConfigError } from "./config/problem.ts";
import { type CpuPool, createCpuPool } from "./cpu-pool.ts";
import { CpuRequests } from "./cpu-requests.ts";
import { ExitCode, ExitError } from "./exit-code.ts";
import { MainPort } from "./main-port.ts";
import { listenFailure, probeListeners } from "./probe-listeners.ts";
import { NodeRanges } from "./ranges/node-ranges.ts";
import { createRingMesh, type PeerReplacement, type RingMesh } from "./ring-mesh.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface BrokerOptions {
  readonly loaded: LoadedConfig;
  /** Reads the configuration again, from the same sources; throws ConfigError. */
  readonly reloadConfig: () => LoadedConfig;
  readonly log: Log;
  /** The broker cannot go on. Called at most once. */
  readonly onFatal: (error: ExitError) => void;
  /** Entry file of the worker threads; tests put their own. */
  readonly workerEntry?: URL;
}

/** MQTT5 §3.14.2.1: Server shutting down. */
const SERVER_SHUTTING_DOWN = 0x8b;
/** RaftOptions counts in these. */
const RAFT_TICK_MS = 100;

export class Broker {
  readonly #options: BrokerOptions;
  readonly #log: Log;
  readonly #clock: SteadyClock;
  readonly #clockWatch: ClockWatch;
  readonly #mesh: RingMesh;
  readonly #port: MainPort;
  readonly #cpuPool: CpuPool;
  readonly #cpuRequests: CpuRequests;
  readonly #processNumber = randomInt(PROCESS_NUMBER_BOUND);
  readonly #workers: WorkerPool;
  readonly #acceptTokens: AcceptTokens;
  readonly #metrics: BrokerMetrics;
  readonly #admin: AdminServer;
  #dataFolder: DataFolder | null = null;
  #ranges: NodeRanges | null = null;
  #diskSpace: DiskSpaceWatch | null = null;
  #raftTicks: NodeJS.Timeout | null = null;
  #loaded: LoadedConfig;
  #config: BrokerConfig;
  #phase: BrokerPhase = "starting";
  #adminPort = -1;
  #reload: Promise<void> = Promise.resolve();

  constructor(options: BrokerOptions) {
    const { config } = options.loaded;
    this.#options = options;
    this.#log = options.log;
    this.#loaded = options.loaded;
    this.#config = config;
    const counters = new SharedArrayBuffer(counterTableSize(config.workers));
    const words = new SharedArrayBuffer(sharedWordsSize(config.workers));
    const monotonicMs = monotonicClock();
    const clockOriginMs = Date.now() - monotonicMs();
    this.#clock = new SteadyClock({
      words: new Int32Array(words),
      originMs: clockOriginMs,
      monotonicMs,
    });
    this.#clockWatch = new ClockWatch(this.#clock, options.log);
    const quotas = createQuotaMemory(config.workers);
    this.#mesh = createRingMesh(config.workers);
    this.#cpuPool = createCpuPool(config);
    this.#port = new MainPort(this.#mesh.endpoint(0));
    this.#cpuRequests = new CpuRequests(this.#port, (json) => this.#cpuPool.handleRequest(json));
    this.#acceptTokens = new AcceptTokens(words, config.limits, performance.now());
    this.#workers = new WorkerPool({
      entry: options.workerEntry ?? workerEntry(),
      config,
      log: options.log,
      mesh: this.#mesh,
      counters,
      words,
      clockOriginMs,
      quotas,
      onPeerReplaced: (replacement) => this.#replacePeer(replacement),
      storage: () => this.#storageBoot(),
      onFatal: options.onFatal,
      onStoreSpace: (storeId, isShort) => this.#diskSpace?.storeSpace(storeId, isShort),
      nowMs: () => performance.now(),
    });
    this.#metrics = new BrokerMetrics(counters, this.#workers, config.nodeName);
    this.#admin = new AdminServer({
      phase: () => this.#phase,
      workers: () => this.#workers.counts,
      metrics: this.#metrics,
      ranges: () => this.#ranges,
      endSession: (tenantId, clientId) => this.#workers.endSession(tenantId, clientId),
    });
  }

  /** Ports by listener id. */
  get boundPorts(): Readonly<Record<string, number>> {
    return this.#workers.boundPorts;
  }

  /** -1: there is no admin server. */
  get adminPort(): number {
    return this.#adminPort;
  }

  /** Resolves when clients can connect; rejects with ExitError. */
  async start(): Promise<void> {
    this.#openStorage();
    await probeListeners(this.#config.listeners);
    if (this.#config.admin.enabled) await this.#listenAdmin();
    this.#acceptTokens.start(() => performance.now());
    await this.#workers.start();
    this.#phase = "serving";
  }

  /** Takes a changed configuration into use. Requests queue up; each result is logged. */
  reload(): Promise<void> {
    this.#reload = this.#reload.then(() => this.#reloadOnce());
    return this.#reload;
  }

  /** Says good-bye to clients. Resolves with whether everybody was told in time. */
  async drain(timeoutMs = this.#config.shutdown.timeoutMs): Promise<boolean> {
    this.#phase = "draining";
    const late = await this.#workers.drain(SERVER_SHUTTING_DOWN, timeoutMs);
    if (late.length > 0) this.#log.warn("drain_timeout", { workers: late });
    return late.length === 0;
  }

  /** Ends all threads and servers. */
  async close(): Promise<void> {
    this.#phase = "draining";
    this.#diskSpace?.stop();
    this.#acceptTokens.stop();
    this.#metrics.close();
    if (this.#adminPort >= 0) await this.#admin.close();
    await this.#workers.close();
    if (this.#raftTicks !== null) clearInterval(this.#raftTicks);
    this.#port.close();
    this.#mesh.close();
    await this.#cpuPool.close();
    this.#dataFolder?.release();
  }

  /** Takes the data folder, and gets ready to run the ranges that workers will find in it. */
  #openStorage(): void {
    const { dataDir, workers, storage } = this.#config;
    this.#dataFolder = takeDataFolder(dataDir, { stores: workers, log: storage.log });
    const { stores, nodeId, log, bootstrapped } = this.#dataFolder.manifest;
    this.#log.info("data_folder", { path: dataDir, node_id: nodeId, stores, log });
    this.#checkThreadPool(stores);
    const ranges = new NodeRanges({
      endpoint: this.#port.endpoint,
      log: this.#log,
      storeCount: stores,
      isBootstrapped: bootstrapped,
      onBootstrapped: () => this.#noteBootstrapped(),
      processNumber: this.#processNumber,
      splitLimits: this.#config.storage.split,
      random: (bound) => randomInt(bound),
      nowMs: () => this.#clock.nowMs,
      schedule: () => this.#port.schedule(),
    });
    this.#ranges = ranges;
    this.#port.addTurn(() => ranges.flush());
    this.#raftTicks = setInterval(() => {
      this.#clockWatch.tick(Date.now());
      ranges.tick(performance.now());
    }, RAFT_TICK_MS);
    this.#raftTicks.unref();
    this.#diskSpace = new DiskSpaceWatch({
      path: dataDir,
      reserveBytes: this.#config.storage.diskReserveBytes,
      changed: (isFull, freeBytes) => {
        const event = isFull ? "disk_full" : "disk_has_space";
        this.#log.warn(event, { path: dataDir, free_bytes: freeBytes });
        ranges.groups.setDiskFull(isFull);
      },
    });
  }

  #noteBootstrapped(): void {
    try {
      this.#dataFolder?.noteBootstrapped();
    } catch (error) {
      // A disk without space; the next start tries again.
      this.#log.warn("data_folder_not_noted", { error });
    }
  }

  /** Two stores get along with the four threads that Node 20 makes. */
  #checkThreadPool(stores: number): void {
    const wanted = poolThreadsFor(stores);
    if (stores <= 2 || poolThreads() >= wanted) return;
    this.#log.warn("few_pool_threads", {
      threads: poolThreads(),
      stores,
      hint: `stores wait for each other's disk writes; start with UV_THREADPOOL_SIZE=${wanted}`,
    });
  }

  #storageBoot(): StorageBoot {
    assert(this.#dataFolder !== null, "the data folder is open before workers start");
    const { path, manifest } = this.#dataFolder;
    const { stores: storeCount, log } = manifest;
    return { path, storeCount, log, processNumber: this.#processNumber };
  }

  #replacePeer(replacement: PeerReplacement): void {
    this.#port.replacePeer(replacement);
    this.#cpuRequests.workerLost(replacement.peer);
    this.#ranges?.workerLost(replacement.peer);
  }

  async #listenAdmin(): Promise<void> {
    const { host, port } = this.#config.admin;
    try {
      this.#adminPort = await this.#admin.listen(host, port);
    } catch (error) {
      const shownHost = host.includes(":") ? `[${host}]` : host;
      const name = `${shownHost}:${port} (admin server, keys admin.host and admin.port)`;
      throw listenFailure(name, port, error as NodeJS.ErrnoException);
    }
    this.#log.info("admin_listening", { host, port: this.#adminPort });
  }

  async #reloadOnce(): Promise<void> {
    if (this.#phase !== "serving") return;
    let next: LoadedConfig;
    try {
      next = this.#options.reloadConfig();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#log.error("reload_failed", { problems: error.lines });
      return;
    }
    const changed = compareConfigs(this.#loaded.tree, next.tree);
    // Against the start, not the last reload: what still waits for a restart is worth repeating.
    const sinceStart = compareConfigs(this.#options.loaded.tree, next.tree);
    this.#loaded = next;
    this.#config = keepFixed(this.#config, next.config);
    this.#acceptTokens.reload(this.#config.limits);
    // Also without a changed key: the files that the configuration names may have changed.
    const errors = await this.#workers.reload(this.#config);
    if (errors.length > 0) {
      this.#log.error("reload_failed", { workers: errors });
      return;
    }
    this.#log.info("reloaded", {
      changed: changed.filter((change) => !change.needsRestart).map((change) => change.key),
      needs_restart: sinceStart.filter((change) => change.needsRestart).map((change) => change.key),
    });
  }
}

function takeDataFolder(path: string, plan: DataFolderPlan): DataFolder {
  try {
    return openDataFolder(path, plan);
  } catch (error) {
    if (!(error instanceof DataFolderError)) throw error;
    const isTaken = error.fault === DataFolderFault.IN_USE;
    const exitCode = isTaken ? ExitCode.UNAVAILABLE : ExitCode.CONFIG;
    const text = `${error.message} (data_dir or --data names another)`;
    throw new ExitError(exitCode, text, { cause: error });
  }
}

/** Source and build differ in the ending only, and the compiler rewrites imports but no URLs. */
function workerEntry(): URL {
  return new URL(`../workers/worker${extname(import.meta.url)}`, import.meta.url);
}
