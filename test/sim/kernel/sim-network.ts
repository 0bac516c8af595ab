/**
 * The network between nodes: loses, doubles, delays and reorders packets, and has links that are
 * blocked in one direction or both. Decides the fate of a packet when it is sent; packets under way
 * arrive even if a partition begins meanwhile, as they do in switches.
 *
 *   fast packets   minimum..maximum, uniform             (the usual case)
 *   slow packets   up to `slowMaxUs`, uniform            (a share of all: makes disorder and duplicates from the past)
 *
 * One node may be congested: whatever is sent to it takes longer, while what it sends does not.
 *
 * With `keepsOrder`, packets of one link arrive in the order of sending, as on one TCP connection;
 * slow ones then hold up those behind them.
 */

import type { SimLoop } from "./sim-loop.ts";
import type { SimRandom } from "./sim-random.ts";

export interface NetworkProfile {
  /** Probabilities, 0 to 1. */
  readonly loss: number;
  readonly duplication: number;
  readonly slowShare: number;
  readonly minimumUs: number;
  readonly maximumUs: number;
  readonly slowMaxUs: number;
  readonly keepsOrder: boolean;
  /** The congested node's position; -1: none. */
  readonly congested: number;
  /** How much longer, at most; half of it at least. */
  readonly congestionMaxUs: number;
}

export class SimNetwork {
  readonly #loop: SimLoop;
  readonly #random: SimRandom;
  readonly #nodeCount: number;
  readonly #deliverKind: number;
  readonly #blocked: Uint8Array;
  readonly #lastArrival: Float64Array;
  #profile: NetworkProfile;
  sentCount = 0;
  lostCount = 0;

  constructor(
    loop: SimLoop,
    random: SimRandom,
    options: { nodeCount: number; deliverKind: number; profile: NetworkProfile },
  ) {
    this.#loop = loop;
    this.#random = random;
    this.#nodeCount = options.nodeCount;
    this.#deliverKind = options.deliverKind;
    this.#profile = options.profile;
    this.#blocked = new Uint8Array(options.nodeCount ** 2);
    this.#lastArrival = new Float64Array(options.nodeCount ** 2);
  }

  set profile(profile: NetworkProfile) {
    this.#profile = profile;
  }

  /** Stops everything from `source` to `target`, and nothing in the other direction. */
  block(source: number, target: number): void {
    this.#blocked[source * this.#nodeCount + target] = 1;
  }

  unblock(source: number, target: number): void {
    this.#blocked[source * this.#nodeCount + target] = 0;
  }

  isBlocked(source: number, target: number): boolean {
    return this.#blocked[source * this.#nodeCount + target] === 1;
  }

  heal(): void {
    this.#blocked.fill(0);
  }

  /**
   * `packet` is handed over as it is, perhaps twice: nobody may change it after sending. False when
   * it is lost, which only an omniscient transport knows at once.
   */
  send(source: number, target: number, packet: unknown): boolean {
    this.sentCount += 1;
    const isLost = this.#random.chance(this.#profile.loss);
    const isDoubled = this.#random.chance(this.#profile.duplication);
    const link = source * this.#nodeCount + target;
    if (isLost || this.#blocked[link] === 1) {
      this.lostCount += 1;
      return false;
    }
    this.#deliver(link, target, packet);
    if (isDoubled) this.#deliver(link, target, packet);
    return true;
  }

  #deliver(link: number, target: number, packet: unknown): void {
    const { minimumUs, maximumUs, slowShare, slowMaxUs, keepsOrder } = this.#profile;
    const { congested, congestionMaxUs } = this.#profile;
    const limit = this.#random.chance(slowShare) ? slowMaxUs : maximumUs;
    let delay = minimumUs + this.#random.below(limit - minimumUs + 1);
    if (target === congested) delay += this.#random.between(congestionMaxUs >>> 1, congestionMaxUs);
    if (keepsOrder) {
      const earliest = this.#lastArrival[link] as number;
      delay = Math.max(delay, earliest - this.#loop.now);
      this.#lastArrival[link] = this.#loop.now + delay;
    }
    this.#loop.afterForAny(delay, this.#deliverKind, target, packet);
  }
}
