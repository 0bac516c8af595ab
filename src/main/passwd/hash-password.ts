/**
 * New entries of a password or SCRAM file. The forms are those that the broker reads back
 * (shared/protocol/password-hash.ts, platform/scram-credential.ts), and mosquitto reads the first
 * three as well.
 */

import { createHash, pbkdf2Sync, randomBytes } from "node:crypto";
import { deriveArgon2id } from "../../platform/argon2id.ts";
import { scramCredentialLine } from "../../platform/scram-credential.ts";

export const HASH_METHODS = ["argon2id", "pbkdf2", "sha512", "scram"] as const;
export type HashMethod = (typeof HASH_METHODS)[number];

/**
 * RFC 9106 §4, second recommended option, with memory for machines that check several passwords at
 * once: 19 MiB.
 */
const ARGON2ID_COST = { memory: 19_456, passes: 2, lanes: 1 } as const;
const ARGON2ID_SALT_BYTES = 16;
const ARGON2ID_DIGEST_BYTES = 32;

/** OWASP's figure for PBKDF2 with SHA-512: about 0.1 s of a core. */
const PBKDF2_ITERATIONS = 210_000;
const PBKDF2_SALT_BYTES = 12;
const SHA512_BYTES = 64;

/** What PostgreSQL and RFC 7677 use. The client pays this at every login. */
const SCRAM_ITERATIONS = 4096;
const SCRAM_SALT_BYTES = 16;

/**
 * One line of the file, without its end. Throws when user or password cannot be stored in that
 * form.
 */
export function passwordLine(user: string, password: string, method: HashMethod): string {
  switch (method) {
    case "argon2id":
      return `${user}:${argon2id(password)}`;
    case "pbkdf2":
      return `${user}:${pbkdf2(password)}`;
    case "sha512":
      return `${user}:${sha512(password)}`;
    case "scram":
      return scramCredentialLine(user, password, SCRAM_ITERATIONS, randomBytes(SCRAM_SALT_BYTES));
  }
}

function argon2id(password: string): string {
  const salt = randomBytes(ARGON2ID_SALT_BYTES);
  const { memory, passes, lanes } = ARGON2ID_COST;
  const secret = new TextEncoder().encode(password);
  const digest = deriveArgon2id(secret, salt, ARGON2ID_COST, ARGON2ID_DIGEST_BYTES);
  const fields = `m=${memory},t=${passes},p=${lanes}`;
  return `$argon2id$v=19$${fields}$${unpadded(salt)}$${unpadded(digest)}`;
}

function pbkdf2(password: string): string {
  const salt = randomBytes(PBKDF2_SALT_BYTES);
  const digest = pbkdf2Sync(password, salt, PBKDF2_ITERATIONS, SHA512_BYTES, "sha512");
  return `$7$${PBKDF2_ITERATIONS}$${salt.toString("base64")}$${digest.toString("base64")}`;
}

function sha512(password: string): string {
  const salt = randomBytes(PBKDF2_SALT_BYTES);
  const digest = createHash("sha512").update(password).update(salt).digest("base64");
  return `$6$${salt.toString("base64")}$${digest}`;
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
