/**
 * The stored forms of a password that the broker understands, those of mosquitto's password file:
 *
 *   $6$SALT$DIGEST                           SHA-512 of password then salt, once; only to read old files
 *   $7$ITERATIONS$SALT$DIGEST                PBKDF2 with HMAC-SHA-512, 64 bytes of output
 *   $argon2id$v=19$m=K,t=N,p=N$SALT$DIGEST   Argon2id in its usual text form
 *
 * SALT and DIGEST are base64 and stay text here. Parsing happens twice: in a worker when it reads
 * the file, so that a bad line is refused before anything uses it, and in the CPU pool when a
 * password is checked.
 */

export type PasswordHash =
  | { readonly kind: "sha512"; readonly salt: string; readonly digest: string }
  | {
      readonly kind: "pbkdf2-sha512";
      readonly iterations: number;
      readonly salt: string;
      readonly digest: string;
    }
  | {
      readonly kind: "argon2id";
      /** KiB. */
      readonly memory: number;
      readonly passes: number;
      readonly lanes: number;
      readonly salt: string;
      readonly digest: string;
    }
  | { readonly kind: "invalid"; readonly problem: string };

/** About 5 s of one core: more is a typing error or an attack on the broker by its own file. */
const MAX_PBKDF2_ITERATIONS = 10_000_000;
/** KiB, 1 GiB: several checks run at once, and each one holds this much memory. */
const MAX_ARGON2_MEMORY = 1_048_576;
const MAX_ARGON2_PASSES = 64;
const MAX_ARGON2_LANES = 16;

/** At most 64 bytes of salt: 88 characters. mosquitto writes 12 bytes. */
const SALT = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** 64 bytes are 86 characters and two of padding. */
const SHA512_DIGEST = /^[A-Za-z0-9+/]{86}==$/;
/** Salt 8..64 bytes, digest 16..128 bytes, both without padding. */
const ARGON2ID =
  /^\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,171})$/;

/**
 * Reads one stored form. Total: text of any other shape yields "invalid" and says what is wrong
 * with it.
 */
export function parsePasswordHash(text: string): PasswordHash {
  if (text.startsWith("$6$")) return parseSha512(text);
  if (text.startsWith("$7$")) return parsePbkdf2(text);
  if (text.startsWith("$argon2id$")) return parseArgon2id(text);
  return invalid("the password is not stored as $argon2id$, $7$ or $6$");
}

function parseSha512(text: string): PasswordHash {
  const [, , salt = "", digest = "", ...rest] = text.split("$");
  if (rest.length > 0) return invalid("$6$ takes two fields: salt and digest");
  const problem = saltOrDigestProblem(salt, digest);
  return problem === null ? { kind: "sha512", salt, digest } : invalid(problem);
}

function parsePbkdf2(text: string): PasswordHash {
  const [, , rounds = "", salt = "", digest = "", ...rest] = text.split("$");
  if (rest.length > 0) return invalid("$7$ takes three fields: iterations, salt and digest");
  const iterations = /^[1-9]\d{0,8}$/.test(rounds) ? Number(rounds) : 0;
  if (iterations < 1 || iterations > MAX_PBKDF2_ITERATIONS) {
    return invalid(`$7$ iterations must be 1 to ${MAX_PBKDF2_ITERATIONS}`);
  }
  const problem = saltOrDigestProblem(salt, digest);
  return problem === null ? { kind: "pbkdf2-sha512", iterations, salt, digest } : invalid(problem);
}

function parseArgon2id(text: string): PasswordHash {
  const match = ARGON2ID.exec(text);
  if (match === null) return invalid("$argon2id$ is not in the form v=19$m=,t=,p=$salt$digest");
  const memory = Number(match[1]);
  const passes = Number(match[2]);
  const lanes = Number(match[3]);
  const [, , , , salt = "", digest = ""] = match;
  if (lanes < 1 || lanes > MAX_ARGON2_LANES || passes < 1 || passes > MAX_ARGON2_PASSES) {
    return invalid(`$argon2id$ takes t=1..${MAX_ARGON2_PASSES} and p=1..${MAX_ARGON2_LANES}`);
  }
  // Argon2 needs at least eight blocks of 1 KiB per lane (RFC 9106 §3.1).
  if (memory < 8 * lanes || memory > MAX_ARGON2_MEMORY) {
    return invalid(`$argon2id$ takes m=${8 * lanes}..${MAX_ARGON2_MEMORY} with p=${lanes}`);
  }
  return { kind: "argon2id", memory, passes, lanes, salt, digest };
}

function saltOrDigestProblem(salt: string, digest: string): string | null {
  if (salt.length === 0 || salt.length > 88 || !SALT.test(salt)) {
    return "the salt is not 1 to 64 bytes of base64";
  }
  return SHA512_DIGEST.test(digest) ? null : "the digest is not 64 bytes of base64";
}

function invalid(problem: string): PasswordHash {
  return { kind: "invalid", problem };
}
