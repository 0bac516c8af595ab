/**
 * Remembers which credentials were right, so that a reconnect storm costs a keyed hash per client
 * (2 µs) instead of a password hash (milliseconds to tenths of seconds). Only successes are kept:
 * whoever guesses gains nothing.
 *
 * The memory holds HMACs under a random key of this worker, no passwords: a core dump gives no more
 * away than the password file does. Bounded; the least recently used entry leaves first. Dropped
 * whole when the file reloads. Thread: worker. Scope: one per loaded password file.
 */

import { createHmac, randomBytes } from "node:crypto";

/** 10 000 entries are about 1.5 MiB per worker. */
const MAX_ENTRIES = 10_000;

export class VerifiedCredentials {
  readonly #key = randomBytes(32);
  readonly #maxEntries: number;
  /**
   * Set keeps the order of insertion; a hit is inserted anew, so the first is the least recently
   * used.
   */
  readonly #fingerprints = new Set<string>();

  constructor(maxEntries = MAX_ENTRIES) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#fingerprints.size;
  }

  /**
   * The key under which `has` and `add` know a pair. NUL separates: it cannot occur in a user name
   * [MQTT-1.5.4-2].
   */
  fingerprint(username: string, password: Uint8Array): string {
    const hmac = createHmac("sha256", this.#key);
    return hmac.update(username).update("\0").update(password).digest("base64");
  }

  has(fingerprint: string): boolean {
    if (!this.#fingerprints.delete(fingerprint)) return false;
    this.#fingerprints.add(fingerprint);
    return true;
  }

  add(fingerprint: string): void {
    this.#fingerprints.delete(fingerprint);
    this.#fingerprints.add(fingerprint);
    if (this.#fingerprints.size <= this.#maxEntries) return;
    for (const oldest of this.#fingerprints) {
      this.#fingerprints.delete(oldest);
      return;
    }
  }
}
