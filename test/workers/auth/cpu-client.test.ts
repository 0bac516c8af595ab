import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createCpuPool } from "../../../src/main/cpu-pool.ts";
import type { BrokerConfig } from "../../../src/shared/config/config.ts";
import { type CpuTask, parseCpuRequest } from "../../../src/shared/protocol/cpu-message.ts";
import { RecordType } from "../../../src/shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../../src/shared/ring/ring-endpoint.ts";
import { CpuClient } from "../../../src/workers/auth/cpu-client.ts";
import { FakeRing } from "./auth-fixtures.ts";

const HASH =
  "$7$101$JhwHzFombKramjUv$gV6RJDuSoTN8lYZyxydgKe2ZyXxsVbbiyMIvw2/6HEGwBeOzdm0eG6cjTH7wO4WC2M+kVJxGoD7ClWgtjd6BZA==";
const TASK: CpuTask = { kind: "verify_password", hash: HASH, password: "" };

function open(t: TestContext, maxOutstanding = 2) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const ring = new FakeRing();
  let flushCount = 0;
  const client = new CpuClient(ring as unknown as RingEndpoint, {
    maxOutstanding,
    timeoutMs: 1000,
    requestFlush: () => flushCount++,
  });
  const sentId = (index: number) => parseCpuRequest(ring.sent[index]?.text ?? "")?.id;
  const reply = (id: number | undefined, rest: object) =>
    ring.reply(JSON.stringify({ id, ...rest }));
  return { ring, client, sentId, reply, flushes: () => flushCount };
}

test("cpu client: a request goes to main, asks for a flush, and gets its own answer", async (t) => {
  const { ring, client, sentId, reply, flushes } = open(t);
  const answers = [client.request(TASK), client.request(TASK)];
  assert.deepEqual(
    ring.sent.map(({ target, type }) => [target, type]),
    [
      [0, RecordType.CPU_REQUEST],
      [0, RecordType.CPU_REQUEST],
    ],
  );
  assert.equal(flushes(), 2);
  assert.deepEqual(parseCpuRequest(ring.sent[0]?.text ?? "")?.task, TASK);
  reply(sentId(1), { status: "ok", matches: true });
  reply(sentId(0), { status: "ok", matches: false });
  const [first, second] = await Promise.all(answers);
  assert.deepEqual(
    [first?.status === "ok" && first.matches, second?.status === "ok" && second.matches],
    [false, true],
  );
  assert.equal(client.outstandingCount, 0);
});

test("cpu client: above its limit it answers busy without asking main", async (t) => {
  const { ring, client, sentId, reply } = open(t);
  const first = client.request(TASK);
  const second = client.request(TASK);
  assert.equal((await client.request(TASK)).status, "busy");
  assert.equal(ring.sent.length, 2);
  reply(sentId(0), { status: "busy" });
  assert.equal((await first).status, "busy");
  const third = client.request(TASK);
  assert.equal(ring.sent.length, 3);
  client.close();
  assert.deepEqual([(await second).status, (await third).status], ["failed", "failed"]);
});

test("cpu client: an answer that takes too long is a failure, and its lateness harms nobody", async (t) => {
  const { client, sentId, reply } = open(t);
  const request = client.request(TASK);
  t.mock.timers.tick(999);
  assert.equal(client.outstandingCount, 1);
  t.mock.timers.tick(1);
  assert.equal((await request).status, "failed");
  assert.equal(client.outstandingCount, 0);
  reply(sentId(0), { status: "ok", matches: true });
  assert.equal(client.outstandingCount, 0);
});

test("cpu client: unreadable and unknown answers are ignored", async (t) => {
  const { ring, client, sentId, reply } = open(t);
  const request = client.request(TASK);
  for (const text of ["", "{", "null", '{"id":1}', '{"id":77,"status":"busy"}']) ring.reply(text);
  assert.equal(client.outstandingCount, 1);
  reply(sentId(0), { status: "ok", matches: true });
  assert.equal((await request).status, "ok");
});

test("cpu client: verifyPassword turns every answer into a verdict", async (t) => {
  const { client, sentId, reply } = open(t, 1);
  const rows = [
    [{ status: "ok", matches: true }, "match"],
    [{ status: "ok", matches: false }, "mismatch"],
    [{ status: "busy" }, "busy"],
    [{ status: "failed", error: "x" }, "unavailable"],
  ] as const;
  for (const [index, [answer, verdict]] of rows.entries()) {
    const pending = client.verifyPassword(HASH, Buffer.from("x"));
    reply(sentId(index), answer);
    assert.equal(await pending, verdict);
  }
});

test("cpu client: client and pool understand each other", async (t) => {
  const pool = createCpuPool({ auth: { maxPendingHashes: 4 } } as BrokerConfig);
  t.after(() => pool.close());
  const ring = new FakeRing();
  const client = new CpuClient(ring as unknown as RingEndpoint, {
    maxOutstanding: 4,
    timeoutMs: 4000,
    requestFlush: () => {
      const request = ring.sent.pop()?.text ?? "";
      void pool.handleRequest(request).then((answer) => ring.reply(answer));
    },
  });
  assert.equal(await client.verifyPassword(HASH, Buffer.from("secret")), "match");
  assert.equal(await client.verifyPassword(HASH, Buffer.from("Secret")), "mismatch");
  assert.equal(await client.verifyPassword("$7$broken", Buffer.from("secret")), "unavailable");
});
