/**
 * Hybrid logical clock: wall-clock milliseconds that never run backwards and respect causality.
 *
 * Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical Physical Clocks and Consistent Snapshots in
 * Globally Distributed Databases" (2014), figure 5. A stamp is 64 bits, 48 for milliseconds and 16
 * for a counter, kept as two numbers because a double holds 53. Whoever has seen a stamp issues
 * higher ones only, so "the latest write wins" means what its user expects even when clocks differ.
 * Thread: any. Scope: one per node.
 */

export interface HlcStamp {
  /** 0..2^48-1 */
  readonly physicalMs: number;
  /** 0..2^16-1: order within a millisecond. */
  readonly counter: number;
}

export const HLC_COUNTER_MAX = 2 ** 16 - 1;

/** Negative, zero or positive, as `left` is before, the same as, or after `right`. */
export function compareStamps(left: HlcStamp, right: HlcStamp): number {
  if (left.physicalMs !== right.physicalMs) return left.physicalMs - right.physicalMs;
  return left.counter - right.counter;
}

export class HybridClock {
  readonly #driftMaxMs: number;
  #physicalMs = 0;
  #counter = 0;

  /** Stamps further than `driftMaxMs` ahead of the wall clock are not followed. */
  constructor(driftMaxMs: number) {
    this.#driftMaxMs = driftMaxMs;
  }

  /** A stamp above all that were issued or seen before. `wallMs` may run backwards. */
  next(wallMs: number): HlcStamp {
    this.#advance(Math.floor(wallMs));
    return this.#last;
  }

  /**
   * A stamp from another node was seen. False: it is so far ahead that the sender's clock must be
   * wrong; following would carry the error through the whole cluster.
   */
  observe(stamp: HlcStamp, wallMs: number): boolean {
    if (stamp.physicalMs - wallMs > this.#driftMaxMs) return false;
    if (compareStamps(stamp, this.#last) > 0) {
      this.#physicalMs = stamp.physicalMs;
      this.#counter = stamp.counter;
    }
    return true;
  }

  get #last(): HlcStamp {
    return { physicalMs: this.#physicalMs, counter: this.#counter };
  }

  #advance(wallMs: number): void {
    if (wallMs > this.#physicalMs) {
      this.#physicalMs = wallMs;
      this.#counter = 0;
      return;
    }
    this.#counter += 1;
    if (this.#counter <= HLC_COUNTER_MAX) return;
    // 65,536 stamps in one millisecond: borrow the next one.
    this.#physicalMs += 1;
    this.#counter = 0;
  }
}
