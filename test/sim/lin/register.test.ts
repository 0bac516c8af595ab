import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasLegalOrder } from "./brute-force.ts";
import { checkHistory } from "./check-history.ts";
import { ABSENT, checkRegisters, REGISTER, type RegisterOperation, verdictOf } from "./register.ts";

const NEVER = Infinity;

function write(calledAt: number, returnedAt: number, value: number, key = 0): RegisterOperation {
  return { kind: "write", key, calledAt, returnedAt, value };
}

function read(calledAt: number, returnedAt: number, value: number, key = 0): RegisterOperation {
  return { kind: "read", key, calledAt, returnedAt, value };
}

function swap(
  times: readonly [number, number],
  expected: number,
  value: number,
  isDone: boolean | null,
): RegisterOperation {
  const [calledAt, returnedAt] = times;
  return { kind: "swap", key: 0, calledAt, returnedAt, expected, value, isDone };
}

const LINEARIZABLE: readonly (readonly [string, readonly RegisterOperation[]])[] = [
  ["nothing happened", []],
  ["an unwritten register reads as absent", [read(0, 1, ABSENT)]],
  ["a read sees the write before it", [write(0, 1, 4), read(2, 3, 4)]],
  ["a read during a write sees the old value", [write(0, 5, 4), read(1, 2, ABSENT)]],
  ["a read during a write sees the new value", [write(0, 5, 4), read(1, 2, 4)]],
  ["operations that touch are concurrent", [write(0, 5, 4), read(5, 6, ABSENT), read(7, 8, 4)]],
  [
    "an unanswered write may take effect late",
    [write(0, NEVER, 4), read(1, 2, ABSENT), read(3, 4, 4)],
  ],
  ["an unanswered write may never take effect", [write(0, NEVER, 4), read(5, 6, ABSENT)]],
  ["an unanswered swap may fail", [write(0, 1, 1), swap([2, NEVER], 2, 3, null), read(4, 5, 1)]],
  ["an unanswered swap may succeed", [write(0, 1, 2), swap([2, NEVER], 2, 3, null), read(4, 5, 3)]],
  ["a refused swap changes nothing", [write(0, 1, 1), swap([2, 3], 2, 3, false), read(4, 5, 1)]],
  ["two writers, readers agree", [write(0, 9, 1), write(0, 9, 2), read(1, 2, 2), read(3, 4, 1)]],
];

const VIOLATED: readonly (readonly [string, readonly RegisterOperation[]])[] = [
  ["stale read", [write(0, 1, 4), read(2, 3, ABSENT)]],
  ["value from nowhere", [write(0, 1, 4), read(2, 3, 5)]],
  ["value from the future", [read(0, 1, 4), write(2, 3, 4)]],
  [
    "two readers see opposite orders",
    [write(0, 3, 1), write(0, 3, 2), read(4, 5, 1), read(6, 7, 2)],
  ],
  ["a value comes back", [write(0, 9, 1), read(1, 2, 1), read(3, 4, ABSENT)]],
  ["a swap succeeds twice", [write(0, 1, 1), swap([2, 5], 1, 2, true), swap([2, 5], 1, 3, true)]],
  ["a swap refused although it fits", [write(0, 1, 1), swap([2, 3], 1, 2, false)]],
  ["an unanswered write is lost again", [write(0, NEVER, 4), read(1, 2, 4), read(3, 4, ABSENT)]],
];

for (const [name, history] of LINEARIZABLE) {
  test(`linearizability: accepts: ${name}`, () => {
    assert.equal(verdictOf(history), "linearizable");
    assert.ok(hasLegalOrder(history), "the definition agrees");
  });
}

for (const [name, history] of VIOLATED) {
  test(`linearizability: finds: ${name}`, () => {
    assert.equal(verdictOf(history), "violated");
    assert.ok(!hasLegalOrder(history), "the definition agrees");
  });
}

test("linearizability: keys are judged alone, and the broken one is named", () => {
  const fine = [write(0, 1, 4, 1), read(2, 3, 4, 1)];
  const broken = [write(0, 1, 4, 2), read(2, 3, 9, 2)];
  assert.equal(verdictOf(fine), "linearizable");
  const [verdict, ...others] = checkRegisters([...fine, ...broken]);
  assert.equal(verdict?.key, 2);
  assert.deepEqual(verdict?.longestOrder, [0], "only the write can be explained");
  assert.deepEqual(others, []);
});

test("linearizability: an explanation is a legal order of all that was answered", () => {
  const history = [write(0, 9, 1), write(0, 9, 2), read(1, 2, 2), read(3, 4, 1)];
  const { longestOrder } = checkHistory(REGISTER, history);
  assert.deepEqual(longestOrder, [1, 2, 0, 3]);
});

test("linearizability: a search that reaches its limit claims nothing", () => {
  assert.equal(checkHistory(REGISTER, [write(0, 1, 1), read(2, 3, 2)], 1).verdict, "unknown");
});

const TIMES = fc.tuple(fc.nat(9), fc.nat(9), fc.boolean());
const OPERATION = fc
  .tuple(TIMES, fc.constantFrom("read", "write", "swap"), fc.nat(2), fc.nat(2), fc.boolean())
  .map(([[from, length, isOpen], kind, value, expected, isDone]): RegisterOperation => {
    const times = { key: 0, calledAt: from, returnedAt: isOpen ? NEVER : from + length };
    if (kind === "write") return { ...times, kind, value };
    if (kind === "swap") return { ...times, kind, expected, value, isDone: isOpen ? null : isDone };
    return { ...times, returnedAt: from + length, kind: "read", value: value - 1 };
  });

test("linearizability: agrees with the definition on any small history", () => {
  const verdicts = new Map<string, number>();
  fc.assert(
    fc.property(fc.array(OPERATION, { maxLength: 6 }), (history) => {
      const verdict = verdictOf(history);
      assert.equal(verdict, hasLegalOrder(history) ? "linearizable" : "violated");
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }),
    { numRuns: 2000, seed: 1 },
  );
  for (const count of verdicts.values()) assert.ok(count > 100, "both verdicts are common");
  assert.equal(verdicts.size, 2);
});

/** Clients of a true register: each takes effect at one instant inside its interval. */
function honestHistory(instants: readonly (readonly [number, number, number])[]) {
  let state = ABSENT;
  return instants.map(([before, kind, after], at): RegisterOperation => {
    const [calledAt, returnedAt] = [at * 10 - before, at * 10 + after];
    if (kind === 0) return read(calledAt, returnedAt, state);
    if (kind === 1) {
      state = at;
      return write(calledAt, returnedAt, at);
    }
    const expected = kind === 2 ? state : state + 1;
    if (expected === state) state = at;
    return swap([calledAt, returnedAt], expected, at, state === at);
  });
}

test("linearizability: a true register passes at any concurrency", () => {
  const instant = fc.tuple(fc.nat(60), fc.nat(3), fc.nat(60));
  fc.assert(
    fc.property(fc.array(instant, { minLength: 1, maxLength: 120 }), (instants) => {
      assert.equal(verdictOf(honestHistory(instants)), "linearizable");
    }),
    { numRuns: 100, seed: 2 },
  );
});
