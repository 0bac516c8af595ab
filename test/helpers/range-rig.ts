/**
 * A whole node's ranges in one thread: main, workers with memory stores, and a client service that
 * proposes traces (trace-machine.ts). Records and commits wait until a test lets them pass, in any
 * order that real threads and disks could produce; a crash forgets everything that is not durable.
 */

import assert from "node:assert/strict";
import { NodeRanges } from "../../src/main/ranges/node-ranges.ts";
import type { Log } from "../../src/platform/log.ts";
import type { Prng } from "../../src/shared/base/prng.ts";
import type { RecordReader } from "../../src/shared/bytes/record-reader.ts";
import { ServiceId } from "../../src/shared/range/service-id.ts";
import type { SplitLimits } from "../../src/shared/range/split-hinter.ts";
import { storesOfThread } from "../../src/shared/range/store-placement.ts";
import { workerBoot } from "../../src/shared/range/worker-life.ts";
import { DEFAULT_COLLECT_LIMITS } from "../../src/workers/ranges/collector.ts";
import { RingRangeClient } from "../../src/workers/ranges/range-client.ts";
import { RingRangeHost } from "../../src/workers/ranges/range-host.ts";
import type { RangeService } from "../../src/workers/ranges/range-host-api.ts";
import { MemoryDamageNotes } from "../../src/workers/store/damage-notes.ts";
import { EngineLogStore } from "../../src/workers/store/engine-log-store.ts";
import { MemoryDisk, MemoryEngine } from "../../src/workers/store/memory-engine.ts";
import { FakeMesh } from "./fake-ring.ts";
import { readTrace, type TraceCommand, TraceMachine, writeTrace } from "./trace-machine.ts";

export const SERVICE = ServiceId.INBOX;

export const SILENT_LOG: Log = new Proxy({} as Log, { get: () => () => {} });

export interface RigWorker {
  readonly thread: number;
  readonly host: RingRangeHost;
  readonly client: RingRangeClient;
  isAnnounced: boolean;
}

export interface RigOptions {
  readonly workers: number;
  readonly stores: number;
  /** Commits wait until `completeCommit`. */
  readonly holdsCommits?: boolean;
  readonly splitLimits?: SplitLimits;
  readonly unsettledBytes?: number;
  /** Where the rows of ranges go that are made anew. */
  readonly folder?: string;
  /** What the services do beside opening their machines. */
  readonly service?: Omit<RangeService, "open">;
}

/** Small, so that short runs collect, compact and trim. */
const LIMITS = { ...DEFAULT_COLLECT_LIMITS, idleEntries: 16, trimEntries: 4 };

export class RangeRig {
  /** A disk that is replaced is one that was lost. */
  readonly disks: MemoryDisk[];
  /** As noted with the data folder. */
  isBootstrapped = false;
  readonly notes: MemoryDamageNotes[];
  readonly acknowledged: TraceCommand[] = [];
  readonly refused: { command: TraceCommand; reason: number }[] = [];
  readonly fatal: unknown[] = [];
  /** Called for each command that a machine applies, in any life; may throw. */
  onApply: (command: TraceCommand) => void = () => {};
  mesh: FakeMesh;
  main!: NodeRanges;
  workers: RigWorker[] = [];
  nowMs = 1_000_000;
  /** Resolve in order, per store. */
  commits: { storeId: number; complete: () => void; fail: (error: Error) => void }[] = [];
  readonly #options: RigOptions;
  readonly #incarnations: number[];
  #process = 0;
  #clockMs = 0;

  constructor(options: RigOptions) {
    this.#options = options;
    this.disks = Array.from({ length: options.stores }, () => new MemoryDisk());
    this.notes = this.disks.map(() => new MemoryDamageNotes());
    this.#incarnations = new Array<number>(options.workers + 1).fill(1);
    this.mesh = new FakeMesh(options.workers);
    this.boot();
  }

  /** Starts the process; what an earlier one has not made durable is gone. */
  boot(): void {
    this.#process += 1;
    this.mesh = new FakeMesh(this.#options.workers);
    this.commits = [];
    this.main = new NodeRanges({
      endpoint: this.mesh.endpoint(0),
      log: SILENT_LOG,
      storeCount: this.#options.stores,
      isBootstrapped: this.isBootstrapped,
      onBootstrapped: () => {
        this.isBootstrapped = true;
      },
      processNumber: this.#process,
      splitLimits: this.#options.splitLimits ?? { keys: 0, bytes: 0, busyPercent: 0 },
      random: () => 0,
      nowMs: () => this.nowMs,
      schedule: () => {},
    });
    this.workers = [];
    for (let thread = 1; thread <= this.#options.workers; thread++) this.#startWorker(thread);
  }

  /** The worker's thread dies and starts again, within the process. */
  restartWorker(thread: number): void {
    const lost = this.#incarnations[thread]!;
    this.#incarnations[thread] = lost + 1;
    const mine = new Set(storesOfThread(thread, this.#options.workers, this.#options.stores));
    this.commits = this.commits.filter(({ storeId }) => !mine.has(storeId));
    this.mesh.replace(thread);
    for (const worker of this.workers) {
      if (worker.thread !== thread) worker.host.peerLost(thread, lost);
    }
    this.main.workerLost(thread);
    this.#startWorker(thread);
  }

  worker(thread: number): RigWorker {
    return this.workers[thread - 1]!;
  }

  propose(thread: number, key: number, number: number): void {
    const { client } = this.worker(thread);
    writeTrace(client.writer(SERVICE, Uint8Array.of(key)), { key, proposer: thread, number });
  }

  /** A worker's duty cycle, without draining rings. */
  turn(thread: number): void {
    if (thread === 0) {
      this.main.flush();
      return;
    }
    const worker = this.worker(thread);
    worker.host.flush();
    if (!worker.isAnnounced && worker.host.isReplayed) {
      worker.isAnnounced = true;
      worker.host.announce();
    }
    worker.client.flush();
  }

  turnAll(): void {
    for (let thread = 0; thread <= this.#options.workers; thread++) this.turn(thread);
  }

  completeCommit(at: number): void {
    const [commit] = this.commits.splice(at, 1);
    commit?.complete();
  }

  /** Runs until nothing moves any more. */
  async settle(): Promise<void> {
    for (let round = 0, idle = 0; idle < 3; round++) {
      assert.ok(round < 20_000, "the node never comes to rest");
      const commits = this.commits.splice(0);
      for (const { complete } of commits) complete();
      await soon();
      this.turnAll();
      const moved = this.#deliverAll();
      this.nowMs += 20;
      idle = moved || commits.length > 0 || this.commits.length > 0 ? 0 : idle + 1;
    }
  }

  /** Runs until every worker knows the directory. */
  async serve(): Promise<void> {
    for (let round = 0; !this.main.groups.isServing || this.#isWaiting(); round++) {
      assert.ok(round < 2000, "the node never serves");
      await this.settle();
      this.main.tick(this.nowMs);
    }
  }

  /** Lets one thing happen, whichever `random` picks. */
  async step(random: Prng): Promise<void> {
    const threads = this.#options.workers + 1;
    const choice = random.below(10);
    if (choice < 5) this.#deliverOne(random);
    else if (choice < 8) this.turn(random.below(threads));
    else if (this.commits.length > 0) await this.#completeOne(random);
    if (random.below(8) === 0) this.nowMs += random.below(60);
  }

  /** The state of every key of the service, over all ranges. */
  lists(): Map<number, readonly { proposer: number; number: number }[]> {
    const lists = new Map<number, readonly { proposer: number; number: number }[]>();
    for (const { host } of this.workers) {
      for (const { machine } of host.ownedBy(SERVICE)) {
        for (const [key, list] of (machine as TraceMachine).lists) {
          assert.ok(!lists.has(key), `key ${key} is in two ranges`);
          lists.set(key, list);
        }
      }
    }
    return lists;
  }

  #tick(): number {
    this.#clockMs += 0.7;
    return this.#clockMs;
  }

  #deliverOne(random: Prng): void {
    const threads = this.#options.workers + 1;
    const lanes: [number, number][] = [];
    for (let source = 0; source < threads; source++) {
      for (let target = 0; target < threads; target++) {
        if (this.mesh.waitingCount(source, target) > 0) lanes.push([source, target]);
      }
    }
    const lane = lanes[random.below(Math.max(1, lanes.length))];
    if (lane !== undefined) this.mesh.deliver(...lane);
  }

  async #completeOne(random: Prng): Promise<void> {
    const at = random.below(this.commits.length);
    const { storeId } = this.commits[at]!;
    this.completeCommit(this.commits.findIndex((commit) => commit.storeId === storeId));
    await soon();
  }

  #isWaiting(): boolean {
    return this.workers.some(({ client }) => {
      return client.directory.version !== this.main.groups.directory.version;
    });
  }

  #deliverAll(): boolean {
    let moved = false;
    const threads = this.#options.workers + 1;
    for (let source = 0; source < threads; source++) {
      for (let target = 0; target < threads; target++) {
        for (let left = this.mesh.waitingCount(source, target); left > 0; left--) {
          moved = this.mesh.deliver(source, target) || moved;
        }
      }
    }
    return moved;
  }

  #startWorker(thread: number): void {
    const endpoint = this.mesh.endpoint(thread);
    const { workers, stores, unsettledBytes } = this.#options;
    const mine = storesOfThread(thread, workers, stores).map((storeId) => {
      return [storeId, this.#openStore(storeId)] as const;
    });
    const host = new RingRangeHost({
      endpoint,
      stores: new Map(mine),
      processNumber: this.#process,
      limits: LIMITS,
      nowMs: () => this.nowMs,
      // Each look takes its time, so work in steps ends amid a cycle.
      clockMs: () => this.nowMs + this.#tick(),
      wake: () => {},
      onCommit: () => {},
      onSlowCommit: () => {},
      renewStore: async (storeId, old, fill) => {
        await old.close();
        this.disks[storeId - 1] = new MemoryDisk();
        this.notes[storeId - 1] = new MemoryDamageNotes();
        await fill(this.#openStore(storeId));
        return { store: this.#openStore(storeId), oldFolder: `old ${storeId}` };
      },
      onStoreFailure: (storeId, error) => this.fatal.push({ storeId, error }),
    });
    const client = new RingRangeClient({
      endpoint,
      boot: workerBoot(this.#process, this.#incarnations[thread]!),
      nowMs: () => this.nowMs,
      ...(unsettledBytes === undefined ? {} : { unsettledBytes }),
      requestFlush: () => {},
    });
    for (const service of Object.values(ServiceId)) {
      host.register(service, {
        ...this.#options.service,
        open: (_range, reader) => {
          const machine = new TraceMachine(reader, (command) => this.acknowledged.push(command));
          machine.onApply = (command) => this.onApply(command);
          return machine;
        },
      });
      client.register(service, {
        reroute: (commands) => this.#reroute(client, commands),
        refused: (commands, reason) => {
          while (!commands.isAtEnd) this.refused.push({ command: readTrace(commands), reason });
        },
      });
    }
    client.onDirectory(() => host.serve());
    host.open();
    this.workers[thread - 1] = { thread, host, client, isAnnounced: false };
  }

  #reroute(client: RingRangeClient, commands: RecordReader): void {
    while (!commands.isAtEnd) {
      const command = readTrace(commands);
      writeTrace(client.writer(SERVICE, Uint8Array.of(command.key)), command);
    }
  }

  #openStore(storeId: number): EngineLogStore {
    const flush = (): Promise<void> => {
      if (this.#options.holdsCommits !== true) return Promise.resolve();
      return new Promise((resolve, reject) => {
        this.commits.push({ storeId, complete: () => resolve(), fail: reject });
      });
    };
    const engine = new MemoryEngine(this.disks[storeId - 1]!, flush);
    return new EngineLogStore(engine, this.notes[storeId - 1]!, this.#options.folder);
  }
}

/** Lets everything that a resolved commit sets off happen. */
export function soon(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
