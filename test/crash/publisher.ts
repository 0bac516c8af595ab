/**
 * A publisher of the crash run: bursts over its topics, up to its window in flight, breaks its
 * connection now and then, and comes back to finish what it has begun. At rest it is connected and
 * has nothing in flight.
 */

import type { Prng } from "../../src/shared/base/prng.ts";
import { CrashClient } from "./crash-client.ts";
import type { CrashWorld } from "./crash-world.ts";
import type { Stream } from "./stream.ts";

export interface PublisherOptions {
  readonly name: string;
  readonly level: 4 | 5;
  readonly window: number;
  /** Messages per second, on average. */
  readonly rate: number;
  readonly streams: readonly Stream[];
}

const YEAR_SECONDS = 31_536_000;
const CLEAR_SHARE = 0.2;
/** Per burst: how its connection ends. */
const BREAK_SHARE = 0.03;
const LEAVE_SHARE = 0.02;
const AWAY_MAX_MS = 400;

export class Publisher {
  readonly client: CrashClient;
  readonly #world: CrashWorld;
  readonly #prng: Prng;
  readonly #options: PublisherOptions;

  constructor(world: CrashWorld, prng: Prng, options: PublisherOptions) {
    this.#world = world;
    this.#prng = prng;
    this.#options = options;
    const { name, level, window } = options;
    const silence = { receiveMaximum: 10, identify: () => null, deliver: () => {} };
    this.client = new CrashClient(world, {
      name,
      level,
      window,
      sessionExpiry: YEAR_SECONDS,
      ...silence,
    });
  }

  get isAtRest(): boolean {
    return this.client.isConnected && this.client.isIdle;
  }

  async run(): Promise<void> {
    const world = this.#world;
    while (!world.isOver) {
      if (!this.client.isConnected) await this.client.connect();
      else if (!world.isLoad) await world.pause(1000);
      else await this.#burst();
    }
    this.client.destroy();
  }

  async #burst(): Promise<void> {
    const { window, streams, rate } = this.#options;
    // Small bursts are more frequent, the largest fill the window.
    const count = 1 + Math.floor(window * this.#prng.fraction() ** 3);
    for (let left = count; left > 0 && this.#world.isLoad; left--) {
      await this.client.outgoing.room();
      if (!this.client.isConnected) return;
      const stream = streams[this.#prng.below(streams.length)]!;
      this.client.outgoing.publish(stream, stream.isCleared && this.#prng.chance(CLEAR_SHARE));
    }
    const way = this.#prng.fraction();
    if (way < BREAK_SHARE) this.client.destroy();
    else if (way < BREAK_SHARE + LEAVE_SHARE) await this.client.disconnect();
    if (way < BREAK_SHARE + LEAVE_SHARE) await this.#world.pause(this.#prng.below(AWAY_MAX_MS));
    await this.#world.pause((count / rate) * 2000 * this.#prng.fraction());
  }
}
