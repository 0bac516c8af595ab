import assert from "node:assert/strict";
import { test } from "node:test";
import { VerifiedCredentials } from "../../../src/workers/auth/verified-credentials.ts";

const bytes = (text: string) => Buffer.from(text);

test("verified credentials: exactly the pair that was added is known", () => {
  const cache = new VerifiedCredentials();
  cache.add(cache.fingerprint("alice", bytes("secret")));
  assert.equal(cache.has(cache.fingerprint("alice", bytes("secret"))), true);
  assert.equal(cache.has(cache.fingerprint("alice", bytes("secret2"))), false);
  assert.equal(cache.has(cache.fingerprint("alic", bytes("esecret"))), false);
  assert.equal(cache.has(cache.fingerprint("bob", bytes("secret"))), false);
  assert.equal(cache.has(cache.fingerprint("", bytes("alice\0secret"))), false);
});

test("verified credentials: fingerprints of two caches differ: the key is random", () => {
  const [one, other] = [new VerifiedCredentials(), new VerifiedCredentials()];
  const password = bytes("secret");
  assert.notEqual(one.fingerprint("alice", password), other.fingerprint("alice", password));
});

test("verified credentials: the least recently used pair leaves a full cache", () => {
  const cache = new VerifiedCredentials(2);
  cache.add("a");
  cache.add("b");
  assert.equal(cache.has("a"), true);
  cache.add("c");
  assert.deepEqual([cache.has("a"), cache.has("b"), cache.has("c")], [true, false, true]);
  cache.add("c");
  assert.equal(cache.size, 2);
});
