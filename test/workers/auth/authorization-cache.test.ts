import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import fc from "fast-check";
import type { AuthConfig } from "../../../src/shared/config/config.ts";
import { createAuthChain } from "../../../src/workers/auth/auth-chain.ts";
import {
  AuthAction,
  type AuthProvider,
  type Verdict,
} from "../../../src/workers/auth/auth-provider.ts";
import { AuthorizationCache, publishFlags } from "../../../src/workers/auth/authorization-cache.ts";
import { authConfig, identity } from "./auth-fixtures.ts";

type Answer = (topic: string, qos: number, retain: boolean) => Verdict | Promise<Verdict>;

function open(answer: Answer | null, config: Partial<AuthConfig> = {}) {
  const asked: string[] = [];
  const rules: AuthProvider = {
    name: "rules",
    methods: [],
    authenticate: () => ({ kind: "next" }),
    authenticateExtended: () => ({ kind: "next" }),
    authorize: (_identity, action, topic, qos, retain) => {
      asked.push(`${action} ${topic} ${qos} ${retain}`);
      return answer?.(topic, qos, retain) ?? "next";
    },
    reload: async () => {},
    close: () => {},
  };
  const chain = createAuthChain(authConfig(config), {
    verifyPassword: async () => "mismatch",
    nowMs: () => 0,
    bypassesPermissionErrors: () => false,
    onFault: () => {},
    ...(answer === null ? {} : { extraProviders: [rules] }),
  });
  const cache = new AuthorizationCache(chain, identity("alice"));
  const publish = (topic: string, qos = 0, retain = false, padding = 3) => {
    const bytes = Buffer.from(`${"x".repeat(padding)}${topic}payload`);
    const length = Buffer.byteLength(topic);
    const verdict = cache.checkPublish(bytes, padding, length, publishFlags(qos, retain));
    bytes.fill(0); // The bytes are only borrowed.
    return verdict;
  };
  return { asked, chain, cache, publish };
}

const allowA: Answer = (topic) => (topic.startsWith("a") ? "allow" : "deny");

test("authorization cache: a repeated topic is asked about once, wherever its bytes lie", () => {
  const { asked, publish } = open(allowA);
  for (let padding = 0; padding < 10; padding++)
    assert.equal(publish("a/b", 0, false, padding), true);
  assert.deepEqual(asked, ["0 a/b 0 false"]);
});

test("authorization cache: refusals are remembered as well", () => {
  const { asked, publish } = open(allowA);
  for (let round = 0; round < 3; round++) assert.equal(publish("b"), false);
  assert.equal(asked.length, 1);
});

test("authorization cache: a few topics in turn are each asked about once", () => {
  const { asked, publish } = open(allowA);
  for (let round = 0; round < 5; round++) {
    assert.equal(publish("a/1"), true);
    assert.equal(publish("b/1"), false);
    assert.equal(publish("a/2"), true);
  }
  assert.equal(asked.length, 3);
});

test("authorization cache: sixteen topics in turn are remembered, and more are still answered right", () => {
  const { asked, publish } = open(allowA);
  const cycle = (count: number) => {
    for (let index = 0; index < count; index++) {
      assert.equal(publish(`a/${index}`), true);
      assert.equal(publish(`b/${index}`), false);
    }
  };
  cycle(8);
  assert.equal(asked.length, 16);
  cycle(8);
  assert.equal(asked.length, 16);
  cycle(12);
  const before = asked.length;
  cycle(12);
  assert.ok(asked.length - before < 24, "a cycle of 24 topics hits sometimes");
});

test("authorization cache: QoS and RETAIN are part of the question", () => {
  const { asked, publish } = open((_topic, qos, retain) =>
    qos === 0 && !retain ? "allow" : "deny",
  );
  for (let round = 0; round < 2; round++) {
    assert.equal(publish("a", 0, false), true);
    assert.equal(publish("a", 1, false), false);
    assert.equal(publish("a", 0, true), false);
    assert.equal(publish("a", 0, false), true);
  }
  assert.deepEqual(new Set(asked), new Set(["0 a 0 false", "0 a 1 false", "0 a 0 true"]));
});

test("authorization cache: topics that begin alike are told apart", () => {
  const { publish } = open((topic) => (topic === "a/b" ? "allow" : "deny"));
  assert.equal(publish("a/b"), true);
  for (const other of ["a/", "a/bc", "a/c", "b/b", "A/b", ""]) assert.equal(publish(other), false);
  assert.equal(publish("a/b"), true);
});

test("authorization cache: a reload voids every verdict", async () => {
  let verdict: Verdict = "allow";
  const { chain, publish, asked } = open(() => verdict);
  publish("a/1");
  publish("a/2");
  verdict = "deny";
  assert.equal(publish("a/1"), true);
  await chain.reload(authConfig());
  assert.equal(publish("a/1"), false);
  assert.equal(publish("a/2"), false);
  assert.equal(asked.length, 4);
});

test("authorization cache: an asynchronous verdict is remembered once it is there", async () => {
  const { asked, publish } = open(async (topic) => (topic === "a" ? "allow" : "deny"));
  const first = publish("a");
  assert.ok(first instanceof Promise);
  assert.equal(await first, true);
  assert.equal(publish("a"), true);
  assert.equal(asked.length, 1);
});

test("authorization cache: a verdict that a reload overtakes is not remembered", async () => {
  let release = (_verdict: Verdict): void => {};
  const { chain, publish, asked } = open(
    () =>
      new Promise<Verdict>((resolve) => {
        release = resolve;
      }),
  );
  const pending = publish("a");
  await chain.reload(authConfig());
  release("allow");
  while (asked.length < 2) await new Promise(setImmediate);
  release("deny");
  assert.equal(await pending, false);
  assert.ok(publish("a") instanceof Promise);
  release("deny");
});

test("authorization cache: a refusal for a failing provider is not remembered", () => {
  let isBroken = true;
  const { publish, asked } = open(() => {
    if (isBroken) throw new Error("database away");
    return "allow";
  });
  assert.equal(publish("a"), false);
  isBroken = false;
  assert.equal(publish("a"), true);
  assert.equal(publish("a"), true);
  assert.equal(asked.length, 2);
});

test("authorization cache: very long topics are asked about each time, and stay right", () => {
  const { publish, asked } = open(allowA);
  const long = `a/${"x".repeat(300)}`;
  assert.equal(publish(long), true);
  assert.equal(publish(long), true);
  assert.equal(asked.length, 2);
});

test("authorization cache: without rules nobody is asked", () => {
  const { publish, cache } = open(null);
  assert.equal(publish("a"), true);
  assert.equal(cache.check(AuthAction.SUBSCRIBE, "#", 0, false), true);
});

test("authorization cache: other questions pass through to the chain", () => {
  const { cache, asked } = open(allowA);
  assert.equal(cache.check(AuthAction.SUBSCRIBE, "a/#", 1, false), true);
  assert.equal(cache.check(AuthAction.WILL, "b", 2, true), false);
  assert.deepEqual(asked, ["1 a/# 1 false", "3 b 2 true"]);
});

test("authorization cache: whatever the order of topics, the answer is the rules' answer", () => {
  const topic = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz").map((letter) => `t/${letter}é`);
  const step = fc.tuple(topic, fc.integer({ min: 0, max: 2 }), fc.boolean());
  const rule: Answer = (name, qos, retain) =>
    (name.charCodeAt(2) + qos + Number(retain)) % 3 === 0 ? "allow" : "deny";
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { publish } = open(rule);
      for (const [name, qos, retain] of steps) {
        assert.equal(publish(name, qos, retain), rule(name, qos, retain) === "allow");
      }
    }),
    { numRuns: 50 },
  );
});

const heapStatistics = v8.getHeapStatistics as () => { total_allocated_bytes?: number };

test("authorization cache: a remembered topic costs no heap memory", {
  skip: heapStatistics().total_allocated_bytes === undefined && "Node has no allocation counter",
}, () => {
  const { cache } = open(allowA);
  const topics = ["a/device/1/state", "a/device/2/state"].map((text) => Buffer.from(text));
  const rounds = 200_000;
  const run = () => {
    for (let round = 0; round < rounds; round++) {
      const topic = topics[round & 1] as Buffer;
      assertAllowed(cache.checkPublish(topic, 0, topic.length, 0));
    }
  };
  run();
  const before = heapStatistics().total_allocated_bytes ?? 0;
  run();
  const bytesPerCheck = ((heapStatistics().total_allocated_bytes ?? 0) - before) / rounds;
  assert.ok(bytesPerCheck < 8, `${bytesPerCheck} bytes per check`); // The smallest object is larger.
});

function assertAllowed(verdict: boolean | Promise<boolean>): void {
  if (verdict !== true) assert.fail("refused");
}
