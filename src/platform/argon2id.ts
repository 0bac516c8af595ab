/**
 * Argon2id (RFC 9106), computed by a native library that is compiled for every platform the broker
 * runs on.
 */

import { hashRawSync } from "@node-rs/argon2";

export interface Argon2idCost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
}

/** Algorithm.Argon2id of the library: an ambient const enum, which isolated modules cannot read. */
const ARGON2ID = 2;

/** `size` bytes derived from password and salt. Blocks for milliseconds to seconds, by cost. */
export function deriveArgon2id(
  password: Uint8Array,
  salt: Uint8Array,
  cost: Argon2idCost,
  size: number,
): Uint8Array {
  return hashRawSync(password, {
    algorithm: ARGON2ID,
    memoryCost: cost.memory,
    timeCost: cost.passes,
    parallelism: cost.lanes,
    outputLen: size,
    salt,
  });
}
