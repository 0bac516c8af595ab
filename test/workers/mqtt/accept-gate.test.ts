import assert from "node:assert/strict";
import { test } from "node:test";
import type { LimitsConfig } from "../../../src/shared/config/config.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import {
  sharedWordsSize,
  WORD_ACCEPT_TOKENS,
  WORD_CONNECTIONS,
  WORD_LISTENER_CONNECTIONS,
  workerListenerWord,
} from "../../../src/shared/metrics/shared-words.ts";
import {
  addressText,
  canonicalAddress,
  directOrigin,
} from "../../../src/workers/mqtt/accept-address.ts";
import { DeadlineList } from "../../../src/workers/mqtt/accept-deadlines.ts";
import { AcceptGate } from "../../../src/workers/mqtt/accept-gate.ts";
import { LimitedLog } from "../../../src/workers/mqtt/accept-log.ts";
import { LIMITS } from "./listener-fixture.ts";

function newGates(limits: Partial<LimitsConfig>, listenerMax: number) {
  const words = new Int32Array(new SharedArrayBuffer(sharedWordsSize(1)));
  const counters = new Float64Array(64);
  const open = (listenerIndex: number): AcceptGate => {
    const place = { threadIndex: 1, listenerIndex };
    return new AcceptGate(words, counters, place, { ...LIMITS, ...limits }, listenerMax);
  };
  return { words, counters, first: open(0), second: open(1) };
}

test("accept gate: 0 means no limit, everything is still counted", () => {
  const { words, counters, first } = newGates({}, 0);
  for (let index = 0; index < 1000; index += 1) assert.equal(first.tryEnter(), null);
  assert.equal(words[WORD_CONNECTIONS], 1000);
  assert.equal(counters[Counter.CONNECTIONS], 1000);
  assert.equal(first.openCount, 1000);
});

test("accept gate: the process limit holds over listeners, the listener limit for one", () => {
  const { words, first, second } = newGates({ maxConnections: 3 }, 2);
  assert.equal(first.tryEnter(), null);
  assert.equal(first.tryEnter(), null);
  assert.equal(first.tryEnter(), "listener_limit");
  assert.equal(second.tryEnter(), null);
  assert.equal(second.tryEnter(), "process_limit");
  assert.equal(words[WORD_CONNECTIONS], 3);
  assert.equal(words[WORD_LISTENER_CONNECTIONS], 2);
  assert.equal(words[WORD_LISTENER_CONNECTIONS + 1], 1);
  first.leave();
  assert.equal(second.tryEnter(), null);
});

test("accept gate: what a worker holds of each listener is known apart, for when it dies", () => {
  const { words, first, second } = newGates({}, 1);
  first.tryEnter();
  first.tryEnter();
  second.tryEnter();
  assert.equal(words[workerListenerWord(1, 0)], 1, "refusals do not count");
  assert.equal(words[workerListenerWord(1, 1)], 1);
  first.leave();
  assert.equal(words[workerListenerWord(1, 0)], 0);
});

test("accept gate: a refusal for want of a token gives every place back", () => {
  const { words, counters, first } = newGates({ acceptRatePerSecond: 5, maxConnections: 9 }, 9);
  Atomics.store(words, WORD_ACCEPT_TOKENS, 2);
  const answers = [1, 2, 3, 4].map(() => first.tryEnter());
  assert.deepEqual(answers, [null, null, "accept_rate", "accept_rate"]);
  assert.equal(words[WORD_ACCEPT_TOKENS], 0);
  assert.equal(words[WORD_CONNECTIONS], 2);
  assert.equal(words[WORD_LISTENER_CONNECTIONS], 2);
  assert.equal(counters[Counter.ACCEPTS_REFUSED], 2);
  assert.equal(counters[Counter.ACCEPTS], 2);
});

test("accept gate: leaving more often than entering is a bug of ours", () => {
  const { first } = newGates({}, 0);
  first.tryEnter();
  first.leave();
  assert.throws(() => first.leave(), /more connections closed/);
});

test("accept log: one line per event and second, the rest is counted", () => {
  let nowMs = 0;
  const lines: [string, unknown][] = [];
  const log = new LimitedLog(
    (_level, event, fields) => lines.push([event, fields["suppressed"]]),
    () => nowMs,
  );
  for (let index = 0; index < 5; index += 1) log.warn("a", {});
  log.warn("b", {});
  nowMs = 999;
  log.warn("a", {});
  nowMs = 1000;
  log.warn("a", {});
  assert.deepEqual(lines, [
    ["a", 0],
    ["b", 0],
    ["a", 5],
  ]);
});

test("accept deadlines: entries expire once, in order; deleted ones do not", async () => {
  const expired: string[] = [];
  const entries = ["a", "b", "c"].map((name) => ({ name }));
  await new Promise<void>((resolve) => {
    const list = new DeadlineList<{ name: string }>(20, (entry) => {
      expired.push(entry.name);
      assert.equal(list.size, entry.name === "a" ? 1 : 0);
      if (entry.name === "c") resolve();
    });
    for (const entry of entries) list.add(entry);
    list.delete(entries[1]!);
    // The list's own timer does not keep a thread alive.
    const keepAlive = setInterval(() => expired.length === 2 && clearInterval(keepAlive), 5);
  });
  assert.deepEqual(expired, ["a", "c"]);
});

test("accept deadlines: expireAll empties the list at once", () => {
  const expired: object[] = [];
  const list = new DeadlineList<object>(60_000, (entry) => expired.push(entry));
  const entries = [{}, {}];
  for (const entry of entries) list.add(entry);
  list.expireAll();
  assert.deepEqual(expired, entries);
  assert.equal(list.size, 0);
});

test("accept deadlines: after a stop of the process entries have a moment to be heard", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let clockMs = 0;
  t.mock.method(performance, "now", () => clockMs);
  const expired: object[] = [];
  const list = new DeadlineList<object>(3000, (entry) => expired.push(entry));
  const [heard, silent] = [{}, {}];
  list.add(heard);
  list.add(silent);
  clockMs += 60_000;
  t.mock.timers.tick(3000);
  assert.deepEqual(expired, []);
  list.delete(heard);
  clockMs += 1000;
  t.mock.timers.tick(1000);
  assert.deepEqual(expired, [silent]);
});

test("addresses: one canonical text per address", () => {
  assert.equal(canonicalAddress("::ffff:10.1.2.3"), "10.1.2.3");
  assert.equal(canonicalAddress("0:0:0:0:0:ffff:7f00:1"), "127.0.0.1");
  assert.equal(canonicalAddress("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
  assert.equal(canonicalAddress("fe80::1%eth0"), "fe80::1%eth0");
  assert.equal(canonicalAddress("10.1.2.3"), "10.1.2.3");
  assert.equal(canonicalAddress(""), "");
  assert.equal(addressText(Uint8Array.of(9, 10, 1, 2, 3), 1, 4), "10.1.2.3");
  assert.equal(addressText(new Uint8Array(16), 0, 16), "::");
});

test("addresses: loopback is 127.0.0.0/8 and ::1, in any spelling", () => {
  for (const text of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"]) {
    assert.equal(directOrigin(text, 1).isLoopback, true, text);
  }
  for (const text of ["128.0.0.1", "10.0.0.1", "::2", "fe80::1", "127.evil.test", "", undefined]) {
    assert.equal(directOrigin(text, 1).isLoopback, false, text);
  }
});
