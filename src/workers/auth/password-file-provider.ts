/**
 * Authenticates user name and password against a password file. The provider is the authority for
 * user names: whoever brings one is accepted or refused here.
 *
 * Cost, in the order of the checks: remembered credentials (a keyed hash), the address's budget of
 * failures, then the password hash in the CPU pool. An unknown user goes the same way as a wrong
 * password, with the same hash to compute. Thread: worker. Scope: one per worker and loaded
 * configuration.
 */

import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { readAuthFile } from "./auth-file.ts";
import { BAD_CREDENTIALS, NEXT, reject, TOO_MANY_FAILURES } from "./auth-outcome.ts";
import type { AuthOutcome, AuthProvider, AuthRequest, Verdict } from "./auth-provider.ts";
import type { PasswordVerifier } from "./cpu-client.ts";
import type { FailureLimiter } from "./failure-limiter.ts";
import { type PasswordEntry, type PasswordTable, parsePasswordFile } from "./password-file.ts";
import { VerifiedCredentials } from "./verified-credentials.ts";

export interface PasswordFileOptions {
  readonly file: string;
  readonly defaultTenant: string;
  readonly verifyPassword: PasswordVerifier;
  readonly failures: FailureLimiter;
  readonly nowMs: () => number;
}

const BUSY = reject(ReasonCode.QUOTA_EXCEEDED, "too many logins at once, try again later");

export class PasswordFileProvider implements AuthProvider {
  readonly name = "password_file";
  readonly methods: readonly string[] = [];
  readonly #options: PasswordFileOptions;
  #table: PasswordTable;
  #verified = new VerifiedCredentials();

  /** Throws AuthFileError when the file cannot be used. */
  constructor(options: PasswordFileOptions) {
    this.#options = options;
    this.#table = loadTable(options);
  }

  authenticate(request: AuthRequest): AuthOutcome | Promise<AuthOutcome> {
    const { username, password, remoteAddress } = request;
    if (username === null) return NEXT;
    if (password === null) return BAD_CREDENTIALS;
    const entry = this.#table.find(username);
    const fingerprint = this.#verified.fingerprint(username, password);
    if (entry !== undefined && this.#verified.has(fingerprint)) return success(entry);
    if (this.#options.failures.isBlocked(remoteAddress, this.#options.nowMs())) {
      return TOO_MANY_FAILURES;
    }
    return this.#check(request, username, password, fingerprint);
  }

  authenticateExtended(): AuthOutcome {
    return NEXT;
  }

  authorize(): Verdict {
    return "next";
  }

  async reload(): Promise<void> {
    this.#table = loadTable(this.#options);
    this.#verified = new VerifiedCredentials();
  }

  close(): void {
    this.#verified = new VerifiedCredentials();
  }

  async #check(
    request: AuthRequest,
    username: string,
    password: Uint8Array,
    fingerprint: string,
  ): Promise<AuthOutcome> {
    const { failures, nowMs, verifyPassword } = this.#options;
    const verified = this.#verified;
    const entry = this.#table.find(username);
    const hash = entry?.hash ?? this.#table.decoyHash(username);
    const verdict = hash === null ? "mismatch" : await verifyPassword(hash, password);
    if (verdict === "busy") return BUSY;
    // The chain logs the cause and refuses: a check that did not happen is nobody's success.
    if (verdict === "unavailable") throw new Error("the password could not be checked");
    // The file may have been reloaded meanwhile: the answer only counts while the user's line is
    // still the same.
    const isCurrent = entry !== undefined && this.#table.find(username)?.hash === entry.hash;
    if (verdict === "match" && isCurrent) {
      verified.add(fingerprint);
      return success(entry);
    }
    failures.recordFailure(request.remoteAddress, nowMs());
    return BAD_CREDENTIALS;
  }
}

function loadTable(options: PasswordFileOptions): PasswordTable {
  const text = readAuthFile(options.file, "password file");
  return parsePasswordFile(text, options.file, options.defaultTenant);
}

function success(entry: PasswordEntry): AuthOutcome {
  return { kind: "success", tenantId: entry.tenantId, userId: entry.userId };
}
