/**
 * The broker of a crash run: one data folder, one process after the other on it. Tells the world
 * which port is served, and complains when a process ends that nobody told to.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LogKind } from "../../src/shared/config/config.ts";
import { BrokerProcess } from "../helpers/broker-process.ts";
import { until, withDeadline } from "../helpers/deadline.ts";
import type { CrashWorld } from "./crash-world.ts";
import type { StoreFaults } from "./faulty-store-plan.ts";

export interface LivesOptions {
  /** Holds the data folder and the last output of each process. */
  readonly folder: string;
  readonly workers: number;
  readonly durability: "fsync" | "os";
  readonly log: LogKind;
}

const FAULTY_STORE = new URL("faulty-store.js", import.meta.url).href;
const CRASH_ON_DEMAND = new URL("../helpers/crash-on-demand.js", import.meta.url).href;
/** Long enough for a log to be applied again on a busy machine. */
const READY_WAIT_MS = 60_000;
const END_WAIT_MS = 20_000;
const OUTPUT_KEPT = 3_000;
const QUEUE_BYTES = 8 * 1024 ** 3;

export class BrokerLives {
  readonly #world: CrashWorld;
  readonly #options: LivesOptions;
  #broker: BrokerProcess | null = null;
  /** The present process may end, or must, by a fault put into its store. */
  #faults: StoreFaults | null = null;
  #isToldToEnd = false;
  #startMs = 0;
  #hasLostWorker = false;
  kills = 0;
  stops = 0;
  /** How often it was made to stand still. */
  freezes = 0;
  workerDeaths = 0;
  /** Ends by a commit that was made to fail. */
  failures = 0;
  slowestReadyMs = 0;
  /** Starts that were given up. */
  lateStarts = 0;

  constructor(world: CrashWorld, options: LivesOptions) {
    this.#world = world;
    this.#options = options;
  }

  get #crashFile(): string {
    return join(this.#options.folder, "crash-one-worker");
  }

  get isRunning(): boolean {
    return this.#broker !== null;
  }

  /** Starts a process, and does not wait for it. */
  start(faults: StoreFaults | null): void {
    const { folder, workers, durability, log } = this.#options;
    const world = this.#world;
    const broker = new BrokerProcess({
      workers,
      config: {
        data_dir: join(folder, "data"),
        durability,
        storage: { log },
        tenants: {
          defaults: {
            // Queues are for the test of limits; here nothing may be refused.
            SessionInboxSize: 10_000_000,
            // What a shutdown does must not differ from a lost connection.
            NoLWTWhenServerShuttingDown: false,
          },
        },
        limits: {
          session_queue_bytes: QUEUE_BYTES,
          tenant_queue_bytes: QUEUE_BYTES,
          process_queue_bytes: QUEUE_BYTES,
        },
        shutdown: { timeout_ms: 3_000 },
      },
      nodeArgs: ["--import", FAULTY_STORE, "--import", CRASH_ON_DEMAND],
      env: {
        RATATOSK_TEST_CRASH_FILE: this.#crashFile,
        ...(faults === null ? {} : { RATATOSK_TEST_STORE_FAULTS: JSON.stringify({ log, faults }) }),
      },
    });
    this.#broker = broker;
    this.#faults = faults;
    this.#isToldToEnd = false;
    this.#hasLostWorker = false;
    this.#startMs = world.liveMs();
    world.clock.watch(broker.pid);
    world.life += 1;
    const how = faults === null ? "" : `, store faults ${JSON.stringify(faults)}`;
    world.trace.note(`broker starts life ${world.life}${how}`);
    void this.#watchPort(broker);
    void broker.exited.then(({ code, signal }) => this.#ended(broker, code, signal));
  }

  /** Resolves with true when the process serves, with false when it has ended. */
  async ready(): Promise<boolean> {
    const broker = this.#broker;
    if (broker === null) return false;
    // Why not, `ended` tells: one that does not get ready is killed.
    const isServing = await broker.ready(READY_WAIT_MS).then(
      () => true,
      () => false,
    );
    if (!isServing || this.#broker !== broker) return false;
    const world = this.#world;
    if (world.readySinceMs < Number.POSITIVE_INFINITY) return true;
    world.readySinceMs = world.liveMs();
    world.trace.note("broker is ready");
    this.slowestReadyMs = Math.max(this.slowestReadyMs, world.readySinceMs - this.#startMs);
    return true;
  }

  /** One worker dies as of a bug; resolves when its successor serves. */
  async killWorker(): Promise<void> {
    const broker = this.#broker;
    if (broker === null) return;
    const world = this.#world;
    const from = broker.logs.length;
    const serving = broker.countOf("worker_ready");
    this.#hasLostWorker = true;
    this.workerDeaths += 1;
    world.trace.note("broker loses a worker");
    writeFileSync(this.#crashFile, "");
    await broker.waitForLog("worker_died", from);
    // To those whom it served it is as if the broker had ended.
    world.life += 1;
    world.readySinceMs = Number.POSITIVE_INFINITY;
    const isBack = () => broker.countOf("worker_ready") > serving || this.#broker !== broker;
    await until(isBack, "the worker", READY_WAIT_MS).catch(() => {
      this.#complain(`does not bring its worker back:\n${broker.output.slice(-OUTPUT_KEPT)}`);
    });
    world.readySinceMs = world.liveMs();
    world.trace.note("broker has its worker back");
  }

  /** The process stands still for so long. */
  async freeze(milliseconds: number): Promise<void> {
    const broker = this.#broker;
    if (broker === null) return;
    this.#world.trace.note(`broker stands still for ${milliseconds} ms`);
    this.freezes += 1;
    broker.signal("SIGSTOP");
    this.#world.clock.look();
    await this.#world.pause(milliseconds);
    broker.signal("SIGCONT");
    this.#world.trace.note("broker goes on");
  }

  async kill(): Promise<void> {
    const broker = this.#broker;
    if (broker === null) return;
    this.#isToldToEnd = true;
    this.#world.trace.note("broker is killed");
    this.kills += 1;
    broker.signal("SIGKILL");
    await broker.exited;
  }

  /** SIGTERM; does not wait. */
  terminate(): void {
    if (this.#broker === null) return;
    this.#isToldToEnd = true;
    this.#world.trace.note("broker is told to stop");
    this.stops += 1;
    this.#broker.signal("SIGTERM");
  }

  /** Resolves when the process has ended; kills it when it takes too long. */
  async ended(): Promise<void> {
    const broker = this.#broker;
    if (broker === null) return;
    await withDeadline(broker.exited, "the broker to end", END_WAIT_MS).catch(async () => {
      this.#complain(`does not stop:\n${broker.output.slice(-OUTPUT_KEPT)}`);
      await this.kill();
    });
  }

  async #watchPort(broker: BrokerProcess): Promise<void> {
    const isListening = () => broker.countOf("listening") > 0 || this.#broker !== broker;
    await until(isListening, "the broker to listen", READY_WAIT_MS).catch(() => {});
    if (this.#broker !== broker || broker.countOf("listening") === 0) return;
    this.#world.port = broker.port;
    this.#world.trace.note(`broker listens on ${broker.port}`);
  }

  #ended(broker: BrokerProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#broker !== broker) return;
    const world = this.#world;
    this.#broker = null;
    world.port = 0;
    world.clock.watch(0);
    world.readySinceMs = Number.POSITIVE_INFINITY;
    world.trace.note(`broker has ended with ${code ?? signal}`);
    const end = broker.output.slice(-OUTPUT_KEPT);
    const hasFailed = broker.countOf("store_failed") > 0;
    if (this.#faults?.failAt !== undefined && hasFailed) {
      this.failures += 1;
      const isClear = code === 1 && /could not be written/u.test(broker.output);
      // Or it was killed while it was about to.
      const isKilled = this.#isToldToEnd && signal === "SIGKILL";
      if (!isClear && !isKilled)
        this.#complain(`ended with ${code ?? signal}, unclear why:\n${end}`);
    } else if (!this.#isToldToEnd && /did not start within/u.test(broker.output)) {
      // The machine is too busy for any broker: whoever started it may try again.
      this.lateStarts += 1;
    } else if (!this.#isToldToEnd) {
      this.#complain(`ended by itself with ${code ?? signal}:\n${end}`);
    } else if (signal !== "SIGKILL" && code !== 0) {
      this.#complain(`was told to stop and ended with ${code ?? signal}:\n${end}`);
    } else if (broker.countOf("worker_died") > 0 && !this.#hasLostWorker) {
      this.#complain(`lost a worker:\n${end}`);
    }
  }

  #complain(text: string): void {
    this.#world.findings.add("process", `life ${this.#world.life}: the broker ${text}`);
  }
}
