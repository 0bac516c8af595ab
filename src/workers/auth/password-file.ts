/**
 * Reads mosquitto's password file: one `NAME:HASH` per line, HASH in a form of
 * shared/protocol/password-hash.ts, `#` comments. `TENANT/USER` as NAME puts the user into that
 * tenant (see tenant-user.ts).
 *
 * Stricter than mosquitto where a slip would be silent: the same user twice, a password that is not
 * hashed, and any line that cannot be read are errors, and then nothing of the file is used.
 */

import { createHash } from "node:crypto";
import { parsePasswordHash } from "../../shared/protocol/password-hash.ts";
import { AuthFileError, type FileLine, significantLines } from "./auth-file.ts";
import { splitTenantUser, type TenantUser, tenantUserKey } from "./tenant-user.ts";

export interface PasswordEntry extends TenantUser {
  /** Stored form as in the file; known to be valid. */
  readonly hash: string;
}

export class PasswordTable {
  readonly #entries: ReadonlyMap<string, PasswordEntry>;
  readonly #hashes: readonly string[];
  /** Derived from the secret content: equal on every worker, unknown outside. */
  readonly #decoyKey: Uint8Array;

  constructor(entries: ReadonlyMap<string, PasswordEntry>, text: string) {
    this.#entries = entries;
    this.#hashes = [...entries.values()].map((entry) => entry.hash);
    this.#decoyKey = createHash("sha256").update(text).digest();
  }

  get size(): number {
    return this.#entries.size;
  }

  find(name: string): PasswordEntry | undefined {
    return this.#entries.get(name);
  }

  /**
   * A stored form to check an unknown user's password against, so that it takes as long as a wrong
   * password: some entry of the file, always the same one for the same name. Null when the file has
   * no users at all.
   */
  decoyHash(name: string): string | null {
    if (this.#hashes.length === 0) return null;
    const digest = createHash("sha256").update(this.#decoyKey).update(name).digest();
    return this.#hashes[digest.readUInt32BE(0) % this.#hashes.length] ?? null;
  }
}

/** Throws AuthFileError at the first line that cannot be used. */
export function parsePasswordFile(
  text: string,
  fileName: string,
  defaultTenant: string,
): PasswordTable {
  const entries = new Map<string, PasswordEntry>();
  const lineByUser = new Map<string, number>();
  for (const line of significantLines(text)) {
    const name = line.text.slice(0, Math.max(0, line.text.indexOf(":")));
    const entry = parseEntry(line, name, fileName, defaultTenant);
    const key = tenantUserKey(entry.tenantId, entry.userId);
    const earlier = lineByUser.get(key);
    if (earlier !== undefined) {
      const problem = `user "${name}" is already on line ${earlier}`;
      throw new AuthFileError(fileName, line.number, problem, "remove one of the two lines");
    }
    lineByUser.set(key, line.number);
    entries.set(name, entry);
  }
  return new PasswordTable(entries, text);
}

function parseEntry(
  line: FileLine,
  name: string,
  fileName: string,
  defaultTenant: string,
): PasswordEntry {
  if (name === "") {
    const remedy = "write NAME:HASH, or let `ratatosk passwd` write the line";
    throw new AuthFileError(fileName, line.number, "no user name before a colon", remedy);
  }
  const user = splitTenantUser(name, defaultTenant);
  if (user === null) {
    const problem = `"${name}" is not TENANT/USER with a tenant of 1-64 letters, digits, _ - .`;
    throw new AuthFileError(fileName, line.number, problem, "rename the user or its tenant");
  }
  const hash = line.text.slice(name.length + 1);
  const parsed = parsePasswordHash(hash);
  if (parsed.kind === "invalid") {
    const remedy = `set it again with \`ratatosk passwd ${fileName} ${name}\``;
    throw new AuthFileError(fileName, line.number, `user "${name}": ${parsed.problem}`, remedy);
  }
  return { ...user, hash };
}
