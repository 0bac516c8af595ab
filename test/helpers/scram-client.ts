/**
 * The client's half of SCRAM-SHA-256 (RFC 5802), written apart from the broker's half: it checks
 * the server's signature, so a server that only nods is found out.
 */

import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

const KEY_BYTES = 32;
const ITERATIONS = 4096;
const GS2_HEADER = "n,,";
/** base64 of GS2_HEADER. */
const CHANNEL_BINDING = "biws";

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function xor(left: Uint8Array, right: Uint8Array): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0)));
}

/** A line of the broker's credential file. */
export function scramLine(user: string, password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, KEY_BYTES, "sha256");
  const storedKey = sha256(hmac(salted, "Client Key")).toString("base64");
  const serverKey = hmac(salted, "Server Key").toString("base64");
  return `${user}:SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${storedKey}:${serverKey}\n`;
}

export class ScramClient {
  readonly first: string;
  readonly #password: string;
  readonly #nonce: string;
  readonly #bareFirst: string;
  #serverSignature = "";

  constructor(user: string, password: string) {
    this.#password = password;
    this.#nonce = randomBytes(18).toString("base64");
    this.#bareFirst = `n=${user},r=${this.#nonce}`;
    this.first = GS2_HEADER + this.#bareFirst;
  }

  /** The client's final message for the server's first. */
  final(serverFirst: string): string {
    const match = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst);
    assert.ok(match, `server-first: ${serverFirst}`);
    const [, nonce = "", salt = "", iterations = ""] = match;
    assert.ok(nonce.startsWith(this.#nonce) && nonce.length > this.#nonce.length, "nonce");
    const salted = pbkdf2Sync(
      this.#password,
      Buffer.from(salt, "base64"),
      Number(iterations),
      KEY_BYTES,
      "sha256",
    );
    const withoutProof = `c=${CHANNEL_BINDING},r=${nonce}`;
    const message = `${this.#bareFirst},${serverFirst},${withoutProof}`;
    const clientKey = hmac(salted, "Client Key");
    const proof = xor(clientKey, hmac(sha256(clientKey), message)).toString("base64");
    this.#serverSignature = hmac(hmac(salted, "Server Key"), message).toString("base64");
    return `${withoutProof},p=${proof}`;
  }

  /** The server has proved that it knows the credential. */
  checkServerFinal(serverFinal: string): void {
    assert.equal(serverFinal, `v=${this.#serverSignature}`);
  }
}
