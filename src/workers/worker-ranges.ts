/**
 * The ranges of a worker, put together: opens its stores, runs the ranges in them, and is the way
 * to ranges elsewhere. Services register with `host` and `client` before `start`.
 *
 *   start:  replay what is committed -> tell main -> the first directory is there: serve
 *   cycle:  rings drained -> hostTurn -> services -> clientTurn -> rings flushed
 *   close:  everything proposed is settled -> state written -> stores closed
 *
 * Thread: worker. Scope: one per worker.
 */

import { storeFolder } from "../platform/data-folder.ts";
import type { Log } from "../platform/log.ts";
import type { WorkerBoot } from "../shared/protocol/worker-boot.ts";
import { storesOfThread } from "../shared/range/store-placement.ts";
import { workerBoot } from "../shared/range/worker-life.ts";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";
import { DEFAULT_COLLECT_LIMITS } from "./ranges/collector.ts";
import { RingRangeClient } from "./ranges/range-client.ts";
import { RingRangeHost } from "./ranges/range-host.ts";
import type { LogStore } from "./store/log-store.ts";
import { openLogStore } from "./store/open-log-store.ts";
import type { OldReader } from "./store/reader-watch.ts";
import { endRenewal, renewStore } from "./store/renew-store.ts";
import type { CutBatch } from "./store/segment-scan.ts";
import { StoreMeter } from "./store-meter.ts";

/** How often `settle` looks: a few times per commit. */
const SETTLE_POLL_MS = 2;

export interface WorkerRangesOptions {
  readonly endpoint: RingEndpoint;
  readonly boot: Pick<
    WorkerBoot,
    "threadIndex" | "threadCount" | "incarnation" | "config" | "storage"
  >;
  readonly log: Log;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  /** The broker's time, of the duty cycle. */
  readonly nowMs: () => number;
  /** Makes sure that a duty cycle follows, with the time taken. */
  readonly wake: () => void;
  /** Once, before anything is served: the time that stored state has reached. */
  readonly onReplayed: (reachedMs: number) => void;
  /** The process must end. */
  readonly onStoreFailure: (storeId: number, error: string) => void;
  /** A store has found the disk full, or has space again. */
  readonly onStoreSpace: (storeId: number, isShort: boolean) => void;
}

export class WorkerRanges {
  readonly host: RingRangeHost;
  readonly client: RingRangeClient;
  readonly #options: WorkerRangesOptions;
  #isAnnounced = false;
  #isStarted = false;
  #isClosed = false;
  #onServing: (() => void) | null = null;

  constructor(options: WorkerRangesOptions) {
    this.#options = options;
    const { endpoint, boot, counters, nowMs, wake } = options;
    const { storage, incarnation, config } = boot;
    const clockMs = () => performance.now();
    const meter = new StoreMeter(counters, clockMs);
    this.host = new RingRangeHost({
      endpoint,
      stores: this.#openStores(),
      processNumber: storage.processNumber,
      limits: { ...DEFAULT_COLLECT_LIMITS, intervalMs: config.storage.collectIntervalMs },
      nowMs,
      clockMs,
      wake,
      onCommit: (report) => meter.take(report),
      renewStore: (storeId, old, fill) => {
        const open = (folder: string) => this.#openStore(storeId, folder);
        return renewStore(old, { folder: storeFolder(storage.path, storeId), open, fill });
      },
      onStoreFailure: (storeId, error) => this.#storeFailed(storeId, error),
      onSlowCommit: (storeId, waitingMs) => this.#commitIsSlow(storeId, waitingMs),
    });
    this.client = new RingRangeClient({
      endpoint,
      boot: workerBoot(storage.processNumber, incarnation),
      nowMs,
      requestFlush: wake,
    });
    this.client.onDirectory(() => this.#serve());
  }

  /** Resolves when every key has its range, and this worker's are live or about to be. */
  async start(): Promise<void> {
    await this.host.upgrade();
    this.host.open();
    this.#isStarted = true;
    this.#options.wake();
    await new Promise<void>((resolve) => {
      this.#onServing = resolve;
    });
  }

  /** In each duty cycle, before the services send what they have gathered. */
  hostTurn(): void {
    if (!this.#isStarted || this.#isClosed) return;
    this.host.flush();
    if (this.#isAnnounced) return;
    if (this.host.isReplayed) {
      this.#isAnnounced = true;
      this.#options.onReplayed(this.host.reachedMs);
      this.host.announce();
    }
  }

  /** In each duty cycle, after the services. */
  clientTurn(): void {
    this.client.flush();
  }

  /** `thread` died, its life with the number `incarnation` with it, and its rings are replaced. */
  peerLost(thread: number, incarnation: number): void {
    this.host.peerLost(thread, incarnation);
  }

  /** Resolves when everything proposed here is settled, or time is up. */
  async settle(timeoutMs: number): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (this.client.openCount > 0 && performance.now() < endMs) {
      this.#options.wake();
      await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
    }
  }

  /**
   * Nothing is applied or written from here on; resolves when no commit is under way, or time is
   * up. A thread that ends amid a commit would take the process along.
   */
  async abandon(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    const endMs = performance.now() + timeoutMs;
    while (this.host.isWriting && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
    }
  }

  /** Writes the state that is only in memory and in the log, and closes the stores. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.host.close();
  }

  #serve(): void {
    this.host.serve();
    this.#onServing?.();
    this.#onServing = null;
  }

  #openStores(): ReadonlyMap<number, LogStore> {
    const { storage, threadIndex, threadCount } = this.#options.boot;
    const stores = new Map<number, LogStore>();
    for (const storeId of storesOfThread(threadIndex, threadCount - 1, storage.storeCount)) {
      const folder = storeFolder(storage.path, storeId);
      endRenewal(folder);
      stores.set(storeId, this.#openStore(storeId, folder));
    }
    return stores;
  }

  #openStore(storeId: number, folder: string): LogStore {
    const { storage, config } = this.#options.boot;
    const { durability } = config.storage;
    const space = {
      onShort: (isShort: boolean) => this.#spaceChanged(storeId, isShort),
      onFault: (error: unknown) => {
        this.#options.log.warn("store_ballast_failed", { store: storeId, error });
      },
    };
    const onOldReader = (reader: OldReader) => this.#readerIsOld(storeId, reader);
    const onLogCut = (cut: CutBatch) => this.#logIsCut(storeId, cut);
    return openLogStore({ folder, durability, log: storage.log, space, onOldReader, onLogCut });
  }

  #logIsCut(storeId: number, { batch, segment, at }: CutBatch): void {
    this.#options.log.warn("store_log_cut", {
      store: storeId,
      batch,
      segment,
      at,
      hint:
        "its last batch is torn or damaged, and is cut: normal if the machine or the process " +
        "died while it was written, otherwise the disk has lost what was acknowledged",
    });
  }

  #readerIsOld(storeId: number, { pid, ageMs, commitsBehind }: OldReader): void {
    this.#options.log.warn("store_reader_old", {
      store: storeId,
      pid,
      age_ms: Math.round(ageMs),
      commits_behind: commitsBehind,
      hint: "while it reads, the store's file can only grow",
    });
  }

  #spaceChanged(storeId: number, isShort: boolean): void {
    if (isShort) this.#options.log.error("store_without_space", { store: storeId });
    this.#options.onStoreSpace(storeId, isShort);
  }

  #commitIsSlow(storeId: number, waitingMs: number): void {
    this.#options.log.warn("store_slow", {
      store: storeId,
      waiting_ms: Math.round(waitingMs),
      hint: "a commit is not finished, the disk may be busy: stored sessions and acknowledgements wait",
    });
  }

  #storeFailed(storeId: number, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#options.log.error("store_failed", { store: storeId, error });
    this.#options.onStoreFailure(storeId, text);
  }
}
