/**
 * Fingerprint of everything that happened in a run, in order. Two runs of one seed must end with
 * the same one; otherwise something depends on what is not in the seed, and no failure can be
 * replayed.
 */

export class TraceHash {
  #low = 0x811c9dc5 | 0;
  #high = 0x9e3779b9 | 0;

  /** Any number; only its low 32 bits and the next 21 count. */
  mix(value: number): void {
    const low = value | 0;
    this.#low = Math.imul(this.#low ^ low, 0x01000193);
    this.#high = Math.imul(this.#high ^ (this.#low >>> 15), 0x85ebca6b) + low;
    const upper = Math.floor(value / 2 ** 32) | 0;
    if (upper !== 0) this.#low = Math.imul(this.#low ^ upper, 0x01000193);
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    const text = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return text(this.#high) + text(this.#low);
  }
}
