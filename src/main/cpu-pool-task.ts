/**
 * What a thread of the CPU pool runs: one synchronous job per call. Blocking is the point here,
 * these threads do nothing else. A rejected job (malformed hash) throws; the pool turns that into a
 * "failed" reply. Thread: CPU pool.
 */

import { createHash, pbkdf2Sync, timingSafeEqual } from "node:crypto";
import { deriveArgon2id } from "../platform/argon2id.ts";
import type { CpuTask } from "../shared/protocol/cpu-message.ts";
import { type PasswordHash, parsePasswordHash } from "../shared/protocol/password-hash.ts";

const SHA512_BYTES = 64;

/**
 * True when the password belongs to the stored form. Takes the same time for every wrong password.
 */
export function verifyPassword(task: CpuTask): boolean {
  const password = Buffer.from(task.password, "base64");
  const stored = parsePasswordHash(task.hash);
  switch (stored.kind) {
    case "sha512": {
      const salt = Buffer.from(stored.salt, "base64");
      const digest = createHash("sha512").update(password).update(salt).digest();
      return timingSafeEqual(digest, Buffer.from(stored.digest, "base64"));
    }
    case "pbkdf2-sha512": {
      const salt = Buffer.from(stored.salt, "base64");
      const digest = pbkdf2Sync(password, salt, stored.iterations, SHA512_BYTES, "sha512");
      return timingSafeEqual(digest, Buffer.from(stored.digest, "base64"));
    }
    case "argon2id":
      return verifyArgon2id(stored, password);
    case "invalid":
      throw new Error(stored.problem);
  }
}

/** Computes and compares itself: the library's own check refuses passwords that are not UTF-8. */
function verifyArgon2id(
  stored: Extract<PasswordHash, { kind: "argon2id" }>,
  password: Uint8Array,
): boolean {
  const expected = Buffer.from(stored.digest, "base64");
  const salt = Buffer.from(stored.salt, "base64");
  const digest = deriveArgon2id(password, salt, stored, expected.length);
  return timingSafeEqual(digest, expected);
}
