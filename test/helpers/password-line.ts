/**
 * Lines of a password file in mosquitto's `$7$` form (PBKDF2-SHA512), cheap on purpose: tests log
 * in often.
 */

import { pbkdf2Sync, randomBytes } from "node:crypto";

const ITERATIONS = 101;
const SALT_BYTES = 12;
const HASH_BYTES = 64;

export function passwordLine(user: string, password: string): string {
  const salt = randomBytes(SALT_BYTES);
  const hash = pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, "sha512");
  return `${user}:$7$${ITERATIONS}$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}
