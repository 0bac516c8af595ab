/**
 * Reads the file of SCRAM credentials (line format: platform/scram-credential.ts), whole or not at
 * all, and answers for unknown users: they get a salt and an iteration count as well, always the
 * same, so that the first answer of an exchange does not tell whether a user exists (RFC 5802 §9).
 */

import { createHash, createHmac, randomBytes } from "node:crypto";
import { saslPrep } from "../../platform/sasl-prep.ts";
import {
  MIN_SCRAM_ITERATIONS,
  parseScramCredential,
  SCRAM_KEY_BYTES,
  type ScramCredential,
} from "../../platform/scram-credential.ts";
import { AuthFileError, significantLines } from "./auth-file.ts";
import { splitTenantUser, type TenantUser, tenantUserKey } from "./tenant-user.ts";

export interface ScramEntry extends TenantUser {
  readonly credential: ScramCredential;
  /** The credential as in the file: tells whether a reload has changed it. */
  readonly text: string;
}

const DEFAULT_SALT_BYTES = 16;

export class ScramTable {
  readonly #entries: ReadonlyMap<string, ScramEntry>;
  /**
   * Parameters of the first entry: what an attacker sees anyway, and stable while the file grows at
   * its end.
   */
  readonly #decoyIterations: number;
  readonly #decoySaltBytes: number;
  /** From the first entry's secret: equal on every worker and after a restart, unknown outside. */
  readonly #decoyKey: Uint8Array;

  constructor(entries: ReadonlyMap<string, ScramEntry>) {
    this.#entries = entries;
    const [first] = entries.values();
    this.#decoyIterations = first?.credential.iterations ?? MIN_SCRAM_ITERATIONS;
    this.#decoySaltBytes = first?.credential.salt.length ?? DEFAULT_SALT_BYTES;
    const secret = first?.credential.serverKey ?? randomBytes(SCRAM_KEY_BYTES);
    this.#decoyKey = createHash("sha256").update("decoy salt").update(secret).digest();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `name` after SASLprep. */
  find(name: string): ScramEntry | undefined {
    return this.#entries.get(name);
  }

  /** A credential for an unknown name that no proof fits: its stored key is random each time. */
  decoy(name: string): ScramCredential {
    const salt = createHmac("sha512", this.#decoyKey).update(name).digest();
    return {
      iterations: this.#decoyIterations,
      salt: salt.subarray(0, this.#decoySaltBytes),
      storedKey: randomBytes(SCRAM_KEY_BYTES),
      serverKey: randomBytes(SCRAM_KEY_BYTES),
    };
  }
}

/** Throws AuthFileError at the first line that cannot be used. */
export function parseScramFile(text: string, fileName: string, defaultTenant: string): ScramTable {
  const entries = new Map<string, ScramEntry>();
  const lineByUser = new Map<string, number>();
  for (const line of significantLines(text)) {
    const fail = (problem: string, remedy: string) =>
      new AuthFileError(fileName, line.number, problem, remedy);
    const colon = line.text.indexOf(":");
    const name = colon < 0 ? null : saslPrep(line.text.slice(0, colon));
    const user = name === null ? null : splitTenantUser(name, defaultTenant);
    if (name === null || user === null) {
      throw fail("no user name or TENANT/USER before a colon", "write USER:SCRAM-SHA-256$…");
    }
    const credentialText = line.text.slice(colon + 1);
    const credential = parseScramCredential(credentialText);
    if (credential === null) {
      const form = "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY";
      throw fail(`user "${name}" has no valid credential`, `write it as ${form}, base64 fields`);
    }
    const key = tenantUserKey(user.tenantId, user.userId);
    const earlier = lineByUser.get(key);
    if (earlier !== undefined) {
      throw fail(`user "${name}" is already on line ${earlier}`, "remove one of the two lines");
    }
    lineByUser.set(key, line.number);
    entries.set(name, { ...user, credential, text: credentialText });
  }
  return new ScramTable(entries);
}
