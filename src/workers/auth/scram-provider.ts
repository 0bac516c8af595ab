/**
 * Extended authentication with SCRAM-SHA-256 (RFC 5802, RFC 7677) over stored credentials; no
 * channel binding.
 *
 *   CONNECT client-first  →  AUTH 0x18 server-first  →  AUTH client-final  →  CONNACK server-final
 *
 * The same messages in AUTH 0x19 and 0x18 re-authenticate. The state between the two steps is one
 * ScramExchange that the session holds for the provider: nothing is stored here per client, and an
 * exchange works once.
 *
 * Refusals are 0x87 in every case, the one code that CONNACK and DISCONNECT share for it, and look
 * alike for unknown users and wrong passwords. All comparisons of secrets take constant time.
 * Thread: worker. Scope: one per worker and loaded configuration.
 */

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { saslPrep } from "../../platform/sasl-prep.ts";
import { SCRAM_KEY_BYTES, type ScramCredential } from "../../platform/scram-credential.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { readAuthFile } from "./auth-file.ts";
import { NEXT, reject, TOO_MANY_FAILURES } from "./auth-outcome.ts";
import type {
  AuthOutcome,
  AuthProvider,
  AuthRequest,
  ExtendedAuthStep,
  Verdict,
} from "./auth-provider.ts";
import type { FailureLimiter } from "./failure-limiter.ts";
import { parseScramFile, type ScramEntry, type ScramTable } from "./scram-file.ts";
import {
  type ClientFinal,
  formatServerFinal,
  formatServerFirst,
  parseClientFinal,
  parseClientFirst,
} from "./scram-message.ts";

const SCRAM_SHA_256 = "SCRAM-SHA-256";

export interface ScramOptions {
  readonly file: string;
  readonly defaultTenant: string;
  readonly failures: FailureLimiter;
  readonly nowMs: () => number;
  /** The server's part of the nonce: printable ASCII without comma, unpredictable. */
  readonly createNonce: () => string;
}

/** 18 bytes: 144 bits, 24 characters of base64. */
export function randomScramNonce(): string {
  return randomBytes(18).toString("base64");
}

/** What the server remembers between its two answers. */
class ScramExchange {
  readonly username: string;
  /** Undefined for an unknown user. */
  readonly entry: ScramEntry | undefined;
  readonly credential: ScramCredential;
  readonly gs2Header: string;
  readonly nonce: string;
  readonly serverFirst: string;
  /** Client-first-bare and server-first, the beginning of what both sides sign. */
  readonly signedPrefix: string;
  isUsed = false;

  constructor(
    username: string,
    entry: ScramEntry | undefined,
    credential: ScramCredential,
    first: { readonly gs2Header: string; readonly bare: string },
    nonce: string,
  ) {
    this.username = username;
    this.entry = entry;
    this.credential = credential;
    this.gs2Header = first.gs2Header;
    this.nonce = nonce;
    this.serverFirst = formatServerFirst(nonce, credential.salt, credential.iterations);
    this.signedPrefix = `${first.bare},${this.serverFirst}`;
  }
}

const MALFORMED = refuse("malformed SCRAM message");
const REFUSED = refuse("SCRAM authentication failed");
const OTHER_USER = refuse("the user names of CONNECT and SCRAM differ");

export class ScramProvider implements AuthProvider {
  readonly name = "scram";
  readonly methods: readonly string[] = [SCRAM_SHA_256];
  readonly #options: ScramOptions;
  #table: ScramTable;

  /** Throws AuthFileError when the file cannot be used. */
  constructor(options: ScramOptions) {
    this.#options = options;
    this.#table = loadTable(options);
  }

  authenticate(): AuthOutcome {
    return NEXT;
  }

  authenticateExtended(request: AuthRequest, step: ExtendedAuthStep): AuthOutcome {
    if (step.data === null) return MALFORMED;
    if (step.state === null) return this.#begin(request, step.data);
    if (!(step.state instanceof ScramExchange)) return REFUSED;
    return this.#finish(request, step.data, step.state);
  }

  authorize(): Verdict {
    return "next";
  }

  async reload(): Promise<void> {
    this.#table = loadTable(this.#options);
  }

  close(): void {
    // Holds no more than the table.
  }

  #begin(request: AuthRequest, data: Uint8Array): AuthOutcome {
    const { failures, nowMs, createNonce } = this.#options;
    if (failures.isBlocked(request.remoteAddress, nowMs())) return TOO_MANY_FAILURES;
    const first = parseClientFirst(data);
    const username = first === null ? null : saslPrep(first.username);
    if (first === null || username === null) return MALFORMED;
    // Acting as somebody else is not offered; a CONNECT that claims another name would confuse logs
    // and rules.
    if (first.authorizationId !== null && first.authorizationId !== first.username) return REFUSED;
    if (request.username !== null && request.username !== first.username) return OTHER_USER;
    const entry = this.#table.find(username);
    const credential = entry?.credential ?? this.#table.decoy(username);
    const nonce = first.nonce + createNonce();
    const exchange = new ScramExchange(username, entry, credential, first, nonce);
    return { kind: "continue", authData: Buffer.from(exchange.serverFirst), state: exchange };
  }

  #finish(request: AuthRequest, data: Uint8Array, exchange: ScramExchange): AuthOutcome {
    if (exchange.isUsed) return REFUSED;
    exchange.isUsed = true;
    const final = parseClientFinal(data);
    if (final === null) return MALFORMED;
    const { entry } = exchange;
    const signed = `${exchange.signedPrefix},${final.withoutProof}`;
    const isProven = isProofValid(exchange, final, signed);
    // The file may have been reloaded meanwhile: the proof only counts while the user's line is
    // still the same.
    const isCurrent =
      entry !== undefined && this.#table.find(exchange.username)?.text === entry.text;
    if (!isProven || !isCurrent) {
      this.#options.failures.recordFailure(request.remoteAddress, this.#options.nowMs());
      return REFUSED;
    }
    const signature = createHmac("sha256", entry.credential.serverKey).update(signed).digest();
    const authData = formatServerFinal(signature);
    return { kind: "success", tenantId: entry.tenantId, userId: entry.userId, authData };
  }
}

/**
 * True when the client has the key whose hash is stored, and both sides saw the same messages (RFC
 * 5802 §3).
 */
function isProofValid(exchange: ScramExchange, final: ClientFinal, signed: string): boolean {
  const { storedKey } = exchange.credential;
  if (final.channelBinding !== exchange.gs2Header) return false;
  if (final.nonce !== exchange.nonce || final.proof.length !== SCRAM_KEY_BYTES) return false;
  const clientSignature = createHmac("sha256", storedKey).update(signed).digest();
  const clientKey = final.proof.map((byte, index) => byte ^ (clientSignature[index] ?? 0));
  return timingSafeEqual(createHash("sha256").update(clientKey).digest(), storedKey);
}

function loadTable(options: ScramOptions): ScramTable {
  const text = readAuthFile(options.file, "SCRAM file");
  return parseScramFile(text, options.file, options.defaultTenant);
}

function refuse(reason: string): AuthOutcome {
  return reject(ReasonCode.NOT_AUTHORIZED, reason);
}
