/**
 * When and how the broker dies: at any moment of its work, while it starts, when everybody comes
 * back, while it shuts down; now and then it is stopped as an operator would. Or only connections
 * die, and the broker lives; or it stands still and goes on.
 */

import type { Prng } from "../../src/shared/base/prng.ts";
import type { BrokerLives } from "./broker-lives.ts";
import type { CrashWorld } from "./crash-world.ts";
import { drawFaults, lyingDisk, type StoreFaults } from "./faulty-store-plan.ts";
import type { Population } from "./population.ts";

/** What is wrong with the disk while the broker is being killed. */
export type DiskState = "sound" | "bad" | "lying";

type Ending = "working" | "starting" | "crowded" | "draining" | "stopped";

/** The higher, the more often. */
const WEIGHTS: readonly (readonly [Ending, number])[] = [
  ["working", 9],
  ["crowded", 4],
  ["starting", 3],
  ["draining", 2],
  ["stopped", 1],
];
/** Milliseconds from the beginning of what the ending is about. */
const WITHIN_MS: Readonly<Record<Ending, number>> = {
  working: 2_500,
  crowded: 150,
  // About as long as a start takes.
  starting: 900,
  draining: 200,
  stopped: 1_000,
};
/** A busy machine may need more than one. */
const STARTS_MAX = 3;
const CONNECTIONS_EVERY_MS = 120;
/** Five deaths within 30 seconds end the process. */
const WORKER_EVERY_MS = 6_500;
const FREEZE_MAX_MS = 1500;
/** Beyond the broker's own limits, and those of clients. */
const LONG_FREEZE_MS = 25_000;
const LONG_FREEZE_EVERY = 10;
/** A connection is killed this often, for one kill of the broker. */
const CONNECTIONS_PER_KILL = 5;

export class KillDriver {
  readonly #world: CrashWorld;
  readonly #prng: Prng;
  readonly #lives: BrokerLives;
  readonly #disk: DiskState;

  constructor(world: CrashWorld, prng: Prng, lives: BrokerLives, disk: DiskState) {
    this.#world = world;
    this.#prng = prng;
    this.#lives = lives;
    this.#disk = disk;
  }

  /** Ends the broker until it has been killed `kills` times more; it is up and sound afterwards. */
  async killBroker(kills: number): Promise<void> {
    const end = this.#lives.kills + kills;
    while (this.#lives.kills < end && !this.#world.isOver) {
      if (!this.#lives.isRunning) this.#start();
      await this.#endOnce(this.#draw());
    }
    await this.recover();
  }

  /** Breaks connections of clients chosen by lot. */
  async killConnections(kills: number, population: Population): Promise<void> {
    for (let left = kills * CONNECTIONS_PER_KILL; left > 0; left--) {
      const { clients } = population;
      clients[this.#prng.below(clients.length)]!.destroy();
      await this.#world.pause(this.#prng.below(CONNECTIONS_EVERY_MS));
    }
  }

  /** The process stands still now and then; every tenth time for long. */
  async freezeBroker(freezes: number): Promise<void> {
    for (let left = freezes; left > 0; left--) {
      await this.#world.pause(this.#prng.below(WITHIN_MS.working));
      const isLong = this.#lives.freezes % LONG_FREEZE_EVERY === LONG_FREEZE_EVERY - 1;
      await this.#lives.freeze(isLong ? LONG_FREEZE_MS : 1 + this.#prng.below(FREEZE_MAX_MS));
    }
  }

  /** Workers die one by one, not so often that the process gives up. */
  async killWorkers(deaths: number): Promise<void> {
    for (let left = deaths; left > 0; left--) {
      await this.#world.pause(WORKER_EVERY_MS + this.#prng.below(WITHIN_MS.working));
      await this.#lives.killWorker();
    }
  }

  /** Leaves a broker running whose disk is sound. */
  async recover(): Promise<void> {
    if (this.#disk !== "sound" && this.#lives.isRunning) await this.#lives.kill();
    for (let left = STARTS_MAX; left > 0; left--) {
      if (!this.#lives.isRunning) this.#lives.start(null);
      if (await this.#lives.ready()) return;
    }
  }

  #start(): void {
    let faults: StoreFaults | null = null;
    if (this.#disk === "bad") faults = drawFaults(this.#prng);
    if (this.#disk === "lying") faults = lyingDisk(this.#prng);
    this.#lives.start(faults);
  }

  async #endOnce(ending: Ending): Promise<void> {
    const delayMs = this.#prng.below(WITHIN_MS[ending]);
    this.#world.trace.note(`broker is to end while ${ending}, after ${delayMs} ms`);
    if (ending === "starting") {
      // This one has been started a while ago: end it, and begin anew.
      await this.#lives.kill();
      this.#start();
      await this.#world.pause(delayMs);
      await this.#lives.kill();
      return;
    }
    if (!(await this.#lives.ready())) return;
    if (ending === "draining") {
      await this.#world.pause(this.#prng.below(WITHIN_MS.working));
      this.#lives.terminate();
    }
    await this.#world.pause(delayMs);
    if (ending !== "stopped") await this.#lives.kill();
    else {
      this.#lives.terminate();
      await this.#lives.ended();
    }
  }

  #draw(): Ending {
    const total = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
    let left = this.#prng.below(total);
    for (const [ending, weight] of WEIGHTS) {
      if (left < weight) return ending;
      left -= weight;
    }
    return "working";
  }
}
