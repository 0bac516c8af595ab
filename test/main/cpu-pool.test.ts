import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { createCpuPool } from "../../src/main/cpu-pool.ts";
import type { BrokerConfig } from "../../src/shared/config/config.ts";
import { parseCpuReply, parseCpuRequest } from "../../src/shared/protocol/cpu-message.ts";

/**
 * Lines as `mosquitto_passwd` 2.0.11 wrote them for these passwords; the last one is by libargon2's
 * text form.
 */
const VECTORS: readonly [form: string, password: string, hash: string][] = [
  [
    "$6$ (SHA-512)",
    "hunter2",
    "$6$8gI0Rw0CstprW2JL$xDVPhAA2VZc/aR2cdsRj3pktZTMlgt4JMykd23Uar3EYCNpcE2U7YUYodK0jouVPaXQPBZcGmtXZ3JTi+fgPsA==",
  ],
  [
    "$7$ (PBKDF2, 101 iterations)",
    "secret",
    "$7$101$JhwHzFombKramjUv$gV6RJDuSoTN8lYZyxydgKe2ZyXxsVbbiyMIvw2/6HEGwBeOzdm0eG6cjTH7wO4WC2M+kVJxGoD7ClWgtjd6BZA==",
  ],
  [
    "$7$ (PBKDF2, 1000 iterations, password beyond ASCII)",
    "pässwörd",
    "$7$1000$RsNtVG1aTCbUYfrN$xcpYtbK93CvReUFvlUCHhLKNoPwLaRwdwlCZUvdb1loaE9kT9ooWYWxts3gokIWcSwK5KrDFx+e5RuZ8JfGfZg==",
  ],
  [
    "$argon2id$",
    "open sesame",
    "$argon2id$v=19$m=1024,t=2,p=1$lfUxyAR7pSQLvkGi+h0O4w$Vs0auC2selpBnX3oTR3aCu1s69czR/JzsHI1esjlfZg",
  ],
];
/** About 50 ms of work, so that requests overlap. */
const SLOW_HASH = `$7$60000$JhwHzFombKramjUv$${"A".repeat(86)}==`;

function openPool(t: TestContext, maxPendingHashes = 16) {
  const pool = createCpuPool({ auth: { maxPendingHashes } } as BrokerConfig);
  t.after(() => pool.close());
  return pool;
}

function requestJson(id: number, hash: string, password: string | Uint8Array): string {
  const encoded = Buffer.from(password).toString("base64");
  return JSON.stringify({ id, task: { kind: "verify_password", hash, password: encoded } });
}

test("cpu pool: each stored form accepts its password and no other", async (t) => {
  const pool = openPool(t);
  for (const [index, [form, password, hash]] of VECTORS.entries()) {
    for (const [candidate, matches] of [
      [password, true],
      [`${password} `, false],
      ["", false],
    ] as const) {
      const reply = parseCpuReply(await pool.handleRequest(requestJson(index, hash, candidate)));
      assert.deepEqual(reply, { id: index, status: "ok", matches }, `${form} "${candidate}"`);
    }
  }
});

test("cpu pool: passwords are bytes, not text: NUL and broken UTF-8 count", async (t) => {
  const pool = openPool(t);
  // Not $7$: HMAC pads its key with zeros, so PBKDF2 cannot tell trailing NUL bytes from none (RFC
  // 2104 §2).
  for (const [, password, hash] of [VECTORS[0] ?? assert.fail(), VECTORS[3] ?? assert.fail()]) {
    for (const tail of [[0], [0xff], [0xc3]]) {
      const bytes = Uint8Array.from([...Buffer.from(password), ...tail]);
      const reply = parseCpuReply(await pool.handleRequest(requestJson(1, hash, bytes)));
      assert.deepEqual(reply, { id: 1, status: "ok", matches: false });
    }
  }
});

test("cpu pool: requests above the limit are answered busy, and there is room again later", async (t) => {
  const pool = openPool(t, 2);
  const replies = await Promise.all(
    [0, 1, 2, 3].map((id) => pool.handleRequest(requestJson(id, SLOW_HASH, "x"))),
  );
  assert.deepEqual(
    replies.map((json) => parseCpuReply(json)?.status),
    ["ok", "ok", "busy", "busy"],
  );
  const later = parseCpuReply(await pool.handleRequest(requestJson(9, SLOW_HASH, "x")));
  assert.deepEqual(later, { id: 9, status: "ok", matches: false });
});

test("cpu pool: a malformed stored form fails that request and leaves the pool working", async (t) => {
  const pool = openPool(t);
  const bad = parseCpuReply(await pool.handleRequest(requestJson(1, "$7$0$x$y", "secret")));
  assert.equal(bad?.status, "failed");
  const [, password, hash] = VECTORS[1] ?? assert.fail();
  const good = parseCpuReply(await pool.handleRequest(requestJson(2, hash, password)));
  assert.deepEqual(good, { id: 2, status: "ok", matches: true });
});

test("cpu pool: unreadable requests are answered, never thrown", async (t) => {
  const pool = openPool(t);
  for (const json of [
    "",
    "{",
    "null",
    "[]",
    '{"id":1}',
    '{"id":"1","task":{}}',
    '{"id":1,"task":null}',
  ]) {
    const reply = parseCpuReply(await pool.handleRequest(json));
    assert.deepEqual(reply, { id: -1, status: "failed", error: "the request cannot be read" });
  }
});

test("cpu pool: closing answers what runs and what comes afterwards", async () => {
  const pool = createCpuPool({ auth: { maxPendingHashes: 16 } } as BrokerConfig);
  const running = pool.handleRequest(requestJson(1, SLOW_HASH, "x"));
  await pool.close();
  assert.equal(parseCpuReply(await running)?.status, "failed");
  const late = parseCpuReply(await pool.handleRequest(requestJson(2, SLOW_HASH, "x")));
  assert.deepEqual(late, { id: 2, status: "failed", error: "the pool is closed" });
});

test("cpu message: any text is read as a message or as null, never as an exception", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.equal(parseCpuRequest(text), null);
      assert.equal(parseCpuReply(text), null);
    }),
  );
});
