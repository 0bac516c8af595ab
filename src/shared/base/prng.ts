/**
 * Seeded pseudo-random numbers for the pure cores, which may not ask their machine for chance: the
 * shell seeds one generator per core, the simulator one per concern, and a run repeats exactly.
 *
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018):
 * 128 bits of state, four 32-bit words, no multiplication beyond 32 bits, so it is exact and quick
 * in doubles. Not for secrets: eight outputs reveal the state.
 * Thread: any. Scope: one per core.
 */

const TWO_POW_32 = 0x1_0000_0000;
/** Increment of the generator that spreads a seed over the state (Steele, Lea and Flood, 2014). */
const GOLDEN_GAMMA = 0x9e3779b9;

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spread: number;

  /** Only the low 32 bits of `seed` count. */
  constructor(seed: number) {
    this.#spread = seed | 0;
    // Outputs of a bijective mix over four successive counters: never all zero, the one bad state.
    this.#a = this.#nextSpread();
    this.#b = this.#nextSpread();
    this.#c = this.#nextSpread();
    this.#d = this.#nextSpread();
  }

  /** 0..2^32-1, uniform. */
  u32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result >>> 0;
  }

  /** 0..count-1 for 1 <= count <= 2^32; the bias is below count / 2^32. */
  below(count: number): number {
    return Math.floor((this.u32() / TWO_POW_32) * count);
  }

  /** [0, 1) in steps of 2^-32. */
  fraction(): number {
    return this.u32() / TWO_POW_32;
  }

  /** True with probability `share`: never for 0, always for 1. */
  chance(share: number): boolean {
    return this.fraction() < share;
  }

  /**
   * A generator of its own, seeded from this one: a draw more in one concern then shifts no other.
   */
  split(): Prng {
    return new Prng(this.u32());
  }

  /** Shuffles in place, every order equally likely (Fisher and Yates). */
  shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const moved = items[i]!;
      items[i] = items[j]!;
      items[j] = moved;
    }
  }

  #nextSpread(): number {
    this.#spread = (this.#spread + GOLDEN_GAMMA) | 0;
    let mixed = this.#spread;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  }
}

function rotateLeft(word: number, count: number): number {
  return (word << count) | (word >>> (32 - count));
}
