import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { createCpuPool } from "../../../src/main/cpu-pool.ts";
import type { BrokerConfig } from "../../../src/shared/config/config.ts";
import { parseCpuReply } from "../../../src/shared/protocol/cpu-message.ts";
import type { AuthOutcome, AuthRequest } from "../../../src/workers/auth/auth-provider.ts";
import type { PasswordVerdict } from "../../../src/workers/auth/cpu-client.ts";
import { FailureLimiter } from "../../../src/workers/auth/failure-limiter.ts";
import { PasswordFileProvider } from "../../../src/workers/auth/password-file-provider.ts";
import { authRequest, fakeHash, isFakeHashOf, login, tempFile } from "./auth-fixtures.ts";

const USERS = `alice:${fakeHash("wonder")}\nacme/bob:${fakeHash("builder")}\n`;

function open(t: TestContext, text = USERS) {
  const file = tempFile(t, text);
  const state = { hashed: [] as string[], verdict: null as PasswordVerdict | null, nowMs: 0 };
  const provider = new PasswordFileProvider({
    file,
    defaultTenant: "default",
    failures: new FailureLimiter(),
    nowMs: () => state.nowMs,
    verifyPassword: async (hash, password) => {
      state.hashed.push(hash);
      return state.verdict ?? (isFakeHashOf(hash, password) ? "match" : "mismatch");
    },
  });
  const ask = async (request: AuthRequest) => provider.authenticate(request);
  return { provider, state, file, ask };
}

function codeOf(outcome: AuthOutcome): number {
  assert.equal(outcome.kind, "reject");
  return outcome.kind === "reject" ? outcome.reasonCode : 0;
}

test("password provider: the right password yields user and tenant", async (t) => {
  const { ask } = open(t);
  assert.deepEqual(await ask(login("alice", "wonder")), {
    kind: "success",
    tenantId: "default",
    userId: "alice",
  });
  assert.deepEqual(await ask(login("acme/bob", "builder")), {
    kind: "success",
    tenantId: "acme",
    userId: "bob",
  });
});

test("password provider: wrong password, unknown user, no password look the same: 0x86", async (t) => {
  const { ask } = open(t);
  const answers = [
    await ask(login("alice", "wrong")),
    await ask(login("nobody", "wonder")),
    await ask(login("default/alice", "wonder")),
    await ask(login("bob", "builder")),
    await ask(login("acme/alice", "wonder")),
    await ask(login("", "")),
    await ask(authRequest({ username: "alice" })),
  ];
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.equal(codeOf(answers[0] ?? assert.fail()), 0x86);
});

test("password provider: clients without a user name are left to the next provider", async (t) => {
  const { ask } = open(t);
  assert.deepEqual(await ask(authRequest()), { kind: "next" });
  assert.deepEqual(await ask(authRequest({ password: Buffer.from("x") })), { kind: "next" });
});

test("password provider: an unknown user costs a hash, and its password cannot fit by luck", async (t) => {
  const { ask, state } = open(t, `alice:${fakeHash("wonder")}\n`);
  assert.equal(codeOf(await ask(login("nobody", "wonder"))), 0x86);
  assert.deepEqual(state.hashed, [fakeHash("wonder")]);
});

test("password provider: a file without users refuses without hashing", async (t) => {
  const { ask, state } = open(t, "# none yet\n");
  assert.equal(codeOf(await ask(login("alice", "x"))), 0x86);
  assert.deepEqual(state.hashed, []);
});

test("password provider: a verified password is hashed once, a wrong one each time", async (t) => {
  const { ask, state } = open(t);
  for (let attempt = 0; attempt < 5; attempt++) {
    assert.equal((await ask(login("alice", "wonder"))).kind, "success");
  }
  assert.equal(state.hashed.length, 1);
  await ask(login("alice", "wrong"));
  await ask(login("alice", "wrong"));
  assert.equal(state.hashed.length, 3);
});

test("password provider: remembered credentials are dropped on reload", async (t) => {
  const { ask, state, file, provider } = open(t);
  await ask(login("alice", "wonder"));
  writeFileSync(file, `alice:${fakeHash("other")}\n`);
  await provider.reload();
  assert.equal(codeOf(await ask(login("alice", "wonder"))), 0x86);
  assert.equal((await ask(login("alice", "other"))).kind, "success");
  assert.equal(state.hashed.length, 3);
});

test("password provider: a bad file leaves the old one in use", async (t) => {
  const { ask, file, provider } = open(t);
  writeFileSync(file, `alice:${fakeHash("other")}\nbroken\n`);
  await assert.rejects(provider.reload(), /:2: no user name/);
  assert.equal((await ask(login("alice", "wonder"))).kind, "success");
});

test("password provider: a user removed while the password was hashed does not get in", async (t) => {
  const { ask, file, provider } = open(t);
  const pending = ask(login("alice", "wonder"));
  writeFileSync(file, "");
  await provider.reload();
  assert.equal(codeOf(await pending), 0x86);
});

test("password provider: too many checks at once are refused with 0x97, a failed check throws", async (t) => {
  const { ask, state } = open(t);
  state.verdict = "busy";
  assert.equal(codeOf(await ask(login("alice", "wonder"))), 0x97);
  state.verdict = "unavailable";
  await assert.rejects(ask(login("alice", "wonder")), /could not be checked/);
  state.verdict = null;
  assert.equal((await ask(login("alice", "wonder"))).kind, "success");
});

test("password provider: after 20 failures an address gets 0x9F unhashed, one more try per second", async (t) => {
  const { ask, state } = open(t);
  for (let attempt = 0; attempt < 20; attempt++) {
    assert.equal(codeOf(await ask(login("alice", `guess${attempt}`))), 0x86);
  }
  assert.equal(codeOf(await ask(login("alice", "wonder"))), 0x9f);
  assert.equal(state.hashed.length, 20);
  assert.equal((await ask(login("alice", "wonder", "192.0.2.2"))).kind, "success");
  state.nowMs = 1000;
  assert.equal(codeOf(await ask(login("alice", "guess"))), 0x86);
  assert.equal(codeOf(await ask(login("alice", "guess"))), 0x9f);
});

test("password provider: remembered credentials pass though their address is blocked", async (t) => {
  const { ask } = open(t);
  await ask(login("alice", "wonder"));
  for (let attempt = 0; attempt < 20; attempt++) await ask(login("eve", "x"));
  assert.equal(codeOf(await ask(login("acme/bob", "builder"))), 0x9f);
  assert.equal((await ask(login("alice", "wonder"))).kind, "success");
});

test("password provider: busy and failed checks do not count as guesses", async (t) => {
  const { ask, state } = open(t);
  state.verdict = "busy";
  for (let attempt = 0; attempt < 50; attempt++) await ask(login("alice", "wonder"));
  state.verdict = null;
  assert.equal((await ask(login("alice", "wonder"))).kind, "success");
});

test("password provider: a file written by mosquitto_passwd works through the real pool", async (t) => {
  const pool = createCpuPool({ auth: { maxPendingHashes: 4 } } as BrokerConfig);
  t.after(() => pool.close());
  const file = tempFile(
    t,
    [
      "alice:$7$101$JhwHzFombKramjUv$gV6RJDuSoTN8lYZyxydgKe2ZyXxsVbbiyMIvw2/6HEGwBeOzdm0eG6cjTH7wO4WC2M+kVJxGoD7ClWgtjd6BZA==",
      "bob:$6$8gI0Rw0CstprW2JL$xDVPhAA2VZc/aR2cdsRj3pktZTMlgt4JMykd23Uar3EYCNpcE2U7YUYodK0jouVPaXQPBZcGmtXZ3JTi+fgPsA==",
      "",
    ].join("\n"),
  );
  const provider = new PasswordFileProvider({
    file,
    defaultTenant: "default",
    failures: new FailureLimiter(),
    nowMs: () => 0,
    verifyPassword: async (hash, password) => {
      const task = {
        kind: "verify_password",
        hash,
        password: Buffer.from(password).toString("base64"),
      };
      const reply = parseCpuReply(await pool.handleRequest(JSON.stringify({ id: 1, task })));
      return reply?.status === "ok" && reply.matches ? "match" : "mismatch";
    },
  });
  assert.equal((await provider.authenticate(login("alice", "secret"))).kind, "success");
  assert.equal((await provider.authenticate(login("bob", "hunter2"))).kind, "success");
  assert.equal((await provider.authenticate(login("bob", "secret"))).kind, "reject");
});
