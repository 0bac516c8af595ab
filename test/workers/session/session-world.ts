/**
 * Sessions with everything around them real but sockets, rings, time and chance: the services of
 * one or more workers over a FakeMesh, and clients that are a byte array each way. Nothing happens
 * unless a test lets it: `run` is duty cycles until nothing is on the way, `settle` also lets
 * promises continue, `advance` lets time pass.
 */

import { LiveClock } from "../../../src/shared/base/live-clock.ts";
import type { BrokerConfig, LimitsConfig } from "../../../src/shared/config/config.ts";
import { sharedWordsSize } from "../../../src/shared/metrics/shared-words.ts";
import { createQuotaMemory } from "../../../src/shared/quota/quota-ledger.ts";
import {
  DEFAULT_TENANT_SETTINGS,
  type TenantSettings,
} from "../../../src/shared/tenant/tenant-settings.ts";
import type { AuthProvider } from "../../../src/workers/auth/auth-provider.ts";
import { refreshSessions } from "../../../src/workers/session/refresh-sessions.ts";
import { FakeMesh } from "../../helpers/fake-ring.ts";
import { InstantRanges } from "../../helpers/instant-ranges.ts";
import * as packets from "../../helpers/packets.ts";
import { arrayLog } from "../../main/helpers.ts";
import { FakeClient } from "./fake-client.ts";
import { FakeTransport } from "./fake-transport.ts";
import { SessionWorker } from "./session-worker.ts";

export const LIMITS: LimitsConfig = {
  connectTimeoutMs: 10_000,
  acceptRatePerSecond: 0,
  acceptBurst: 1,
  maxConnections: 0,
  preAuthBytes: 65_536,
  maxPacketSize: 1_048_576,
  connectionOutputBytes: 65_536,
  tenantOutputBytes: 1_048_576,
  sessionQueueBytes: 64 * 1024 * 1024,
  tenantQueueBytes: 512 * 1024 * 1024,
  processQueueBytes: 1024 * 1024 * 1024,
  processOutputBytes: 4_194_304,
  stalledTimeoutMs: 20_000,
};

/**
 * Everybody may connect and do anything; user and tenant stand in the user name as "user@tenant".
 */
export function openProvider(parts: Partial<AuthProvider> = {}): AuthProvider {
  return {
    name: "test",
    methods: [],
    authenticate: ({ username }) => {
      const [userId = "", tenantId = "t"] = (username ?? "").split("@");
      return { kind: "success", tenantId, userId };
    },
    authenticateExtended: () => ({ kind: "next" }),
    authorize: () => "allow",
    reload: async () => {},
    close: () => {},
    ...parts,
  };
}

export interface WorldOptions {
  readonly workers?: number;
  readonly limits?: Partial<LimitsConfig>;
  /** Of every tenant. */
  readonly settings?: Partial<TenantSettings>;
  readonly tenants?: Readonly<Record<string, Partial<TenantSettings>>>;
  readonly provider?: AuthProvider;
  readonly config?: Partial<BrokerConfig>;
}

export class SessionWorld {
  readonly mesh: FakeMesh;
  readonly ranges: InstantRanges;
  readonly workers: SessionWorker[] = [];
  readonly log = arrayLog();
  readonly words: Int32Array;
  readonly quotas: SharedArrayBuffer;
  config: BrokerConfig;
  nowMs = 1_700_000_000_000;
  readonly #live = new LiveClock(this.nowMs);
  #timers: { dueMs: number; act: () => void }[] = [];

  constructor(options: WorldOptions = {}) {
    const count = options.workers ?? 1;
    this.config = configOf(options, count);
    this.mesh = new FakeMesh(count);
    this.ranges = new InstantRanges(this.mesh, () => this.nowMs);
    this.words = new Int32Array(new SharedArrayBuffer(sharedWordsSize(count)));
    this.quotas = createQuotaMemory(count);
    const provider = options.provider ?? openProvider();
    for (let thread = 1; thread <= count; thread++) {
      this.workers.push(new SessionWorker(this, thread, provider));
    }
    for (const worker of this.workers) worker.dist.synchronize([], () => {});
    this.run();
  }

  get liveMs(): number {
    this.#live.advance(this.nowMs);
    return this.#live.nowMs;
  }

  worker(thread: number): SessionWorker {
    return this.workers[thread - 1]!;
  }

  /** The sum of one counter over all workers. */
  count(column: number): number {
    return this.workers.reduce((sum, { counters }) => sum + counters[column]!, 0);
  }

  /** Scans for retained messages under way. */
  scans(): number {
    return this.workers.reduce((sum, { retain }) => sum + retain.openScans, 0);
  }

  /** An accepted connection that has said nothing yet. */
  open(level: packets.Level = 5, thread = 1): FakeClient {
    const worker = this.worker(thread);
    const transport = new FakeTransport((dirty) => worker.markDirty(dirty));
    return new FakeClient(this, worker.accept(transport), transport, level);
  }

  /** A connection whose CONNECT has been accepted. `client.connack` is its answer. */
  async connect(fields: packets.ConnectFields = {}, thread = 1): Promise<FakeClient> {
    const client = this.open(fields.level ?? 5, thread);
    client.send(packets.connect(fields));
    await this.settle();
    client.takeConnack();
    return client;
  }

  /** Duty cycles until nothing is on the way. */
  run(): void {
    do {
      this.mesh.pump(() => {
        this.#endCycles();
      });
    } while (this.#runTimers());
  }

  /** The end of a duty cycle, and one record to its thread. */
  step(): void {
    this.#endCycles();
    const threads = this.mesh.endpoints.map((endpoint) => endpoint.threadIndex);
    threads.some((source) => threads.some((target) => this.mesh.deliver(source, target)));
  }

  /** As `run`, and promises continue. */
  async settle(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      this.run();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.run();
  }

  /** Lets time pass in steps of a worker's tick, so that deadlines are met in their order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 250);
      for (const worker of this.workers) worker.tick();
      this.run();
    }
    await this.settle();
  }

  /**
   * All workers stand still for so long, and go on as their event loops do: with the timers, before
   * they read what has come meanwhile.
   */
  holdUp(ms: number): void {
    this.nowMs += ms;
    for (const worker of this.workers) worker.tick();
  }

  later(delayMs: number, act: () => void): void {
    this.#timers.push({ dueMs: this.nowMs + delayMs, act });
  }

  /** New settings for every tenant, as after a reload. */
  reloadSettings(settings: Partial<TenantSettings>): void {
    const { tenantDefaults } = this.config;
    this.#reload({ ...this.config, tenantDefaults: { ...tenantDefaults, ...settings } });
  }

  /** New limits, as after a reload. */
  reloadLimits(limits: Partial<LimitsConfig>): void {
    this.#reload({ ...this.config, limits: { ...this.config.limits, ...limits } });
  }

  #reload(config: BrokerConfig): void {
    this.config = config;
    for (const worker of this.workers) {
      worker.context.config = this.config;
      worker.context.tenants.reload(this.config);
      worker.services.limitsChanged(config.limits);
      refreshSessions(worker.context);
    }
    this.run();
  }

  /** As after a reload of users and rules. */
  async reloadRules(): Promise<void> {
    for (const worker of this.workers) await worker.context.auth.reload(this.config.auth);
    await this.settle();
  }

  #endCycles(): void {
    this.ranges.mainTurn();
    for (const worker of this.workers) worker.endCycle();
  }

  /** False: none was due. */
  #runTimers(): boolean {
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.nowMs);
    for (const { act } of due) act();
    return due.length > 0;
  }
}

function configOf(options: WorldOptions, workers: number): BrokerConfig {
  const tenantDefaults = { ...DEFAULT_TENANT_SETTINGS, ...options.settings };
  const tenants = Object.fromEntries(
    Object.entries(options.tenants ?? {}).map(([tenantId, settings]) => [
      tenantId,
      { ...tenantDefaults, ...settings },
    ]),
  );
  return {
    workers,
    dataDir: "",
    storage: {
      durability: "os",
      log: "lmdb",
      collectIntervalMs: 100,
      diskReserveBytes: 0,
      split: { keys: 0, bytes: 0, busyPercent: 0 },
    },
    nodeName: "node",
    log: { level: "debug", format: "json" },
    admin: { enabled: false, host: "", port: 0 },
    listeners: [],
    ioUring: "off",
    auth: {
      allowAnonymous: "all",
      passwordFile: null,
      aclFile: null,
      scramFile: null,
      timeoutMs: 1000,
      maxPendingHashes: 1,
      defaultTenant: "t",
    },
    limits: { ...LIMITS, ...options.limits },
    shutdown: { timeoutMs: 1000, disconnectsPerSecond: 1000 },
    sysIntervalSeconds: 10,
    sharedSubscriptionStrategy: "least_inflight",
    tenantDefaults,
    tenants,
    ...options.config,
  };
}
