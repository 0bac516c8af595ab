/**
 * Builders shared by the tests of authentication: requests, identities, files that vanish with
 * their test.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { AuthConfig } from "../../../src/shared/config/config.ts";
import { RecordType } from "../../../src/shared/protocol/ring-message.ts";
import type { RecordHandler, RingEndpoint } from "../../../src/shared/ring/ring-endpoint.ts";
import type { AuthRequest, ClientIdentity } from "../../../src/workers/auth/auth-provider.ts";

export function authRequest(changes: Partial<AuthRequest> = {}): AuthRequest {
  return {
    protocolVersion: 5,
    clientId: "device-1",
    username: null,
    password: null,
    remoteAddress: "192.0.2.1",
    remotePort: 40_000,
    isLoopback: false,
    listenerId: "mqtt-1883",
    certificate: null,
    userProperties: [],
    ...changes,
  };
}

export function login(
  username: string,
  password: string,
  remoteAddress = "192.0.2.1",
): AuthRequest {
  return authRequest({ username, password: Buffer.from(password), remoteAddress });
}

export function identity(userId: string, changes: Partial<ClientIdentity> = {}): ClientIdentity {
  return {
    tenantId: "default",
    userId,
    username: userId === "" ? null : userId,
    clientId: "device-1",
    remoteAddress: "192.0.2.1",
    attributes: {},
    ...changes,
  };
}

export function authConfig(changes: Partial<AuthConfig> = {}): AuthConfig {
  return {
    allowAnonymous: "none",
    passwordFile: null,
    aclFile: null,
    scramFile: null,
    timeoutMs: 1000,
    maxPendingHashes: 16,
    defaultTenant: "default",
    ...changes,
  };
}

/** A file in a folder of its own, removed when the test ends. */
export function tempFile(t: TestContext, text: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "ratatosk-auth-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "file");
  writeFileSync(path, text);
  return path;
}

/** A stored form that `fakeHashes` understands: valid to the parser, and it names its password. */
export function fakeHash(password: string): string {
  const salt = Buffer.from(password.padEnd(12, ".")).toString("base64");
  return `$7$1$${salt}$${"A".repeat(86)}==`;
}

/** True when `hash` was made by fakeHash for this password. */
export function isFakeHashOf(hash: string, password: Uint8Array): boolean {
  return hash === fakeHash(Buffer.from(password).toString("utf8"));
}

/** A ring end whose other side is the test. */
export class FakeRing implements Partial<RingEndpoint> {
  readonly sent: { target: number; type: number; text: string }[] = [];
  readonly #handlers = new Map<number, RecordHandler>();

  setHandler(type: number, handler: RecordHandler): void {
    this.#handlers.set(type, handler);
  }

  enqueue(target: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    const text = Buffer.from(bytes.subarray(start, end)).toString("utf8");
    this.sent.push({ target, type, text });
  }

  /** Hands a CPU_REPLY to the client, in shared memory and off its start, as a ring does. */
  reply(text: string): void {
    const payload = Buffer.from(text);
    const memory = new Uint8Array(new SharedArrayBuffer(payload.length + 24));
    memory.set(payload, 16);
    this.#handlers.get(RecordType.CPU_REPLY)?.(memory, 16, payload.length, 0);
    memory.fill(0xff); // The record is only borrowed: whoever kept a view sees garbage now.
  }
}
