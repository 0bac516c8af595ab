/**
 * What a SCRAM-SHA-256 server stores of a password (RFC 5802 §3, RFC 7677): enough to check a
 * client and to prove itself, not enough to log in elsewhere. Written by the `passwd` command, read
 * by the workers.
 *
 *   USER:SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY      SALT and the keys in base64
 *
 * The part after USER is the form PostgreSQL keeps in `pg_authid`, so verifiers can be taken over
 * from there.
 */

import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { saslPrep } from "./sasl-prep.ts";

export interface ScramCredential {
  readonly iterations: number;
  readonly salt: Uint8Array;
  /** 32 bytes: hash of the key that the client proves to have. */
  readonly storedKey: Uint8Array;
  /** 32 bytes: key with which the server proves that it knows the credential. */
  readonly serverKey: Uint8Array;
}

/** The least that RFC 7677 §4 permits. */
export const MIN_SCRAM_ITERATIONS = 4096;
/** About 5 s of a client's time. */
export const MAX_SCRAM_ITERATIONS = 10_000_000;
export const SCRAM_KEY_BYTES = 32;
const MIN_SALT_BYTES = 8;
const MAX_SALT_BYTES = 64;

const CREDENTIAL =
  /^SCRAM-SHA-256\$([1-9]\d{0,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

/**
 * Costs `iterations` rounds of HMAC. Throws when the password has characters that SASLprep forbids.
 */
export function deriveScramCredential(
  password: string,
  iterations: number,
  salt: Uint8Array,
): ScramCredential {
  const prepared = saslPrep(password);
  if (prepared === null) throw new Error("the password has control or private characters");
  const salted = pbkdf2Sync(prepared, salt, iterations, SCRAM_KEY_BYTES, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  return {
    iterations,
    salt,
    storedKey: createHash("sha256").update(clientKey).digest(),
    serverKey: createHmac("sha256", salted).update("Server Key").digest(),
  };
}

/**
 * One line of a SCRAM file. `user` as the client sends it, `TENANT/USER` for users of another
 * tenant. Throws when user or password cannot be used.
 */
export function scramCredentialLine(
  user: string,
  password: string,
  iterations: number,
  salt: Uint8Array,
): string {
  const prepared = saslPrep(user);
  if (prepared === null || prepared === "" || /[:\s]/.test(prepared) || prepared.startsWith("#")) {
    throw new Error("a SCRAM user name has no colon, no blanks, and does not start with #");
  }
  if (iterations < MIN_SCRAM_ITERATIONS || iterations > MAX_SCRAM_ITERATIONS) {
    throw new Error(`iterations must be ${MIN_SCRAM_ITERATIONS} to ${MAX_SCRAM_ITERATIONS}`);
  }
  if (salt.length < MIN_SALT_BYTES || salt.length > MAX_SALT_BYTES) {
    throw new Error(`the salt must have ${MIN_SALT_BYTES} to ${MAX_SALT_BYTES} bytes`);
  }
  const { storedKey, serverKey } = deriveScramCredential(password, iterations, salt);
  const keys = `${base64(storedKey)}:${base64(serverKey)}`;
  return `${prepared}:SCRAM-SHA-256$${iterations}:${base64(salt)}$${keys}`;
}

/** Reads what follows the user and its colon; null when it is not a credential. */
export function parseScramCredential(text: string): ScramCredential | null {
  const match = CREDENTIAL.exec(text);
  if (match === null) return null;
  const iterations = Number(match[1]);
  const salt = Buffer.from(match[2] ?? "", "base64");
  const storedKey = Buffer.from(match[3] ?? "", "base64");
  const serverKey = Buffer.from(match[4] ?? "", "base64");
  if (iterations < MIN_SCRAM_ITERATIONS || iterations > MAX_SCRAM_ITERATIONS) return null;
  if (salt.length < MIN_SALT_BYTES || salt.length > MAX_SALT_BYTES) return null;
  if (storedKey.length !== SCRAM_KEY_BYTES || serverKey.length !== SCRAM_KEY_BYTES) return null;
  return { iterations, salt, storedKey, serverKey };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
