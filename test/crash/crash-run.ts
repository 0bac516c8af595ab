/**
 * A crash run: real broker processes on one data folder, clients that keep their promises, and
 * checkers that hold the broker to its own.
 *
 *     start ─▶ [ load, with kills ─▶ settle: everything owed arrives ─▶ checks ] × rounds ─▶ stop
 *
 * The seed decides what everybody does; when it happens is the machine's business, so a seed gives
 * the same kind of trouble, not the same run.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "../../src/shared/base/prng.ts";
import type { LogKind } from "../../src/shared/config/config.ts";
import { keepFolder, removeFolder, temporaryFolder } from "../helpers/temporary-folder.ts";
import { BrokerLives } from "./broker-lives.ts";
import { CrashWorld, STANDSTILL_MS } from "./crash-world.ts";
import type { Finding } from "./findings.ts";
import { type DiskState, KillDriver } from "./kill-driver.ts";
import { Population } from "./population.ts";

export type Trouble =
  /** Nothing is broken: what the checkers find is wrong by itself. */
  | "none"
  | "connections"
  | "kills"
  /** The broker's process stands still and goes on, sometimes for longer than anybody waits. */
  | "freezes"
  /** Single workers die, the process lives on. */
  | "workers"
  /** Kills, and a disk that is late, stalls and fails. */
  | "disk"
  /** Kills, and a disk that says that it has written what it has not: promises must break. */
  | "lies";

export interface CrashOptions {
  readonly seed: number;
  readonly trouble: Trouble;
  readonly kills: number;
  /** No new round begins after so many milliseconds. */
  readonly endMs: number;
  readonly workers: number;
  readonly durability: "fsync" | "os";
  readonly log: LogKind;
  /** Messages per second. */
  readonly rate: number;
  /** After findings too. */
  readonly keepsGoing: boolean;
  /** Null: a temporary one, kept only after findings. */
  readonly folder: string | null;
  readonly onProgress: (text: string) => void;
}

export interface CrashReport {
  readonly findings: readonly Finding[];
  /** What was found, with timelines; "" = nothing. */
  readonly text: string;
  /** With what is left of the run; null when it was removed. */
  readonly folder: string | null;
  readonly counts: CrashCounts;
}

export interface CrashCounts {
  kills: number;
  stops: number;
  freezes: number;
  workerDeaths: number;
  commitFailures: number;
  rounds: number;
  published: number;
  stored: number;
  refused: number;
  sentAgain: number;
  delivered: number;
  deliveredAgain: number;
  connections: number;
  resumed: number;
  willsPublished: number;
  willsWithdrawn: number;
  willsSuppressed: number;
  willsAgain: number;
  retainedChecks: number;
  slowestReadyMs: number;
  lateStarts: number;
}

const KILLS_PER_ROUND = 10;
const QUIET_ROUND_MS = 2_000;
const LAST_LIFE_MS = 1_500;
const REST_MS = 240_000;
const WILLS_MS = 30_000;
/** What a lying disk has lost never comes: nobody need wait long for it. */
const LIES_STANDSTILL_MS = 5_000;
const MISSING_TOLD = 5;

export async function runCrash(options: CrashOptions): Promise<CrashReport> {
  const folder = options.folder ?? temporaryFolder("ratatosk-crash-");
  const run = new CrashRun(options, folder);
  await run.run();
  const report = run.report();
  if (report.findings.length === 0 && options.folder === null) {
    removeFolder(folder);
    return { ...report, folder: null };
  }
  keepFolder(folder);
  writeFileSync(join(folder, "findings.txt"), report.text);
  writeFileSync(join(folder, "events.txt"), run.world.trace.notesFrom(0).join("\n"));
  return report;
}

class CrashRun {
  readonly world = new CrashWorld();
  readonly #options: CrashOptions;
  readonly #folder: string;
  readonly #lives: BrokerLives;
  readonly #population: Population;
  readonly #driver: KillDriver;
  #rounds = 0;

  constructor(options: CrashOptions, folder: string) {
    const { seed, trouble, workers, durability, log, rate } = options;
    const prng = new Prng(seed);
    this.#options = options;
    this.#folder = folder;
    this.#lives = new BrokerLives(this.world, { folder, workers, durability, log });
    this.#population = new Population(this.world, prng.split(), rate, trouble === "workers");
    this.#driver = new KillDriver(this.world, prng.split(), this.#lives, diskOf(trouble));
  }

  async run(): Promise<void> {
    const { world } = this;
    const startMs = performance.now();
    this.#lives.start(null);
    if (!(await this.#lives.ready())) return;
    world.clock.start();
    const everybody = this.#population.run();
    await world.waitFor(() => this.#population.isStarted, REST_MS);
    for (let left = this.#options.kills; left > 0; left -= KILLS_PER_ROUND) {
      if (performance.now() - startMs > this.#options.endMs) break;
      world.enter("load");
      await this.#trouble(Math.min(left, KILLS_PER_ROUND));
      world.enter("settle");
      await this.#settle();
      this.#rounds += 1;
      this.#options.onProgress(this.#progress(performance.now() - startMs));
      if (world.findings.count > 0 && !this.#options.keepsGoing) break;
    }
    world.enter("over");
    this.#lives.terminate();
    await this.#lives.ended();
    await everybody;
    world.clock.stop();
  }

  report(): CrashReport {
    const { findings, trace } = this.world;
    const text = findings.count === 0 ? "" : findings.report(trace);
    return { findings: findings.list, text, folder: this.#folder, counts: this.#counts() };
  }

  async #trouble(kills: number): Promise<void> {
    const { trouble } = this.#options;
    if (trouble === "none") await this.world.pause(QUIET_ROUND_MS);
    else if (trouble === "connections") await this.#driver.killConnections(kills, this.#population);
    else if (trouble === "freezes") await this.#driver.freezeBroker(kills);
    else if (trouble === "workers") await this.#driver.killWorkers(Math.ceil(kills / 3));
    else {
      await this.#driver.killBroker(kills);
      // All of these lives may have been too short for anything.
      await this.world.pause(LAST_LIFE_MS);
    }
  }

  /** Everybody finishes; then nothing may be missing. */
  async #settle(): Promise<void> {
    const { findings } = this.world;
    const population = this.#population;
    const isAtRest = () => population.restless.length === 0 && population.isComplete;
    const progress = () => population.finishedCount;
    const standstillMs = this.#options.trouble === "lies" ? LIES_STANDSTILL_MS : STANDSTILL_MS;
    if (!(await this.world.waitFor(isAtRest, REST_MS, progress, standstillMs))) {
      for (const text of population.restless) findings.add("progress", `does not finish: ${text}`);
      for (const ledger of population.ledgers) ledger.closeMissing(MISSING_TOLD);
      if (!this.#options.keepsGoing) return;
    }
    await this.world.waitFor(() => population.wills.isSettled, WILLS_MS);
    population.wills.close();
    await population.retained.checkAtRest();
  }

  #progress(milliseconds: number): string {
    const { kills, delivered, stored } = this.#counts();
    const found = this.world.findings.count;
    const seconds = Math.round(milliseconds / 1000);
    return `${seconds} s: ${kills} kills, ${stored} stored, ${delivered} delivered, ${found} findings`;
  }

  #counts(): CrashCounts {
    const { streams } = this.world;
    const { publishers, subscribers, ledgers, wills, retained } = this.#population;
    const sum = <T>(items: readonly T[], of: (item: T) => number) =>
      items.reduce((total, item) => total + of(item), 0);
    const clients = [...publishers, ...subscribers].map(({ client }) => client);
    const sends = sum(streams, ({ sendCount }) => sum(sendCount, (count) => count));
    const published = sum(streams, ({ length }) => length);
    return {
      kills: this.#lives.kills,
      stops: this.#lives.stops,
      freezes: this.#lives.freezes,
      workerDeaths: this.#lives.workerDeaths,
      commitFailures: this.#lives.failures,
      rounds: this.#rounds,
      published,
      stored: sum(publishers, ({ client }) => client.outgoing.storedCount),
      refused: sum(publishers, ({ client }) => client.outgoing.refusedCount),
      sentAgain: sends - published,
      delivered: sum(ledgers, ({ deliveredCount }) => deliveredCount),
      deliveredAgain: sum(ledgers, ({ redeliveredCount }) => redeliveredCount),
      connections: sum(clients, ({ connectCount }) => connectCount),
      resumed: sum(clients, ({ resumeCount }) => resumeCount),
      willsPublished: wills.counts.published,
      willsWithdrawn: wills.counts.withdrawn,
      willsSuppressed: wills.counts.suppressed,
      willsAgain: wills.counts.again,
      retainedChecks: retained.checkCount,
      slowestReadyMs: Math.round(this.#lives.slowestReadyMs),
      lateStarts: this.#lives.lateStarts,
    };
  }
}

function diskOf(trouble: Trouble): DiskState {
  if (trouble === "disk") return "bad";
  return trouble === "lies" ? "lying" : "sound";
}
