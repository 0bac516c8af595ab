import assert from "node:assert/strict";
import { test } from "node:test";
import { Suspicion } from "../../../src/shared/swim/suspicion.ts";
import { SWIM_DEFAULTS } from "../../../src/shared/swim/swim-parameters.ts";

const { lastCallPeriods, probeIntervalMs } = SWIM_DEFAULTS;
const ANSWER_MS = lastCallPeriods * probeIntervalMs;

function suspicionIn(memberCount: number): Suspicion {
  return new Suspicion(SWIM_DEFAULTS, "s", "a", memberCount, 1_000);
}

/** Time of death, if nothing else happens; as it is told by the moment of the last call. */
function deathMs(suspicion: Suspicion, memberCount: number): number {
  assert.equal(suspicion.isCalled, false);
  return suspicion.deadlineMs(memberCount) + ANSWER_MS;
}

test("suspicion: in a large cluster each confirmation brings the end nearer [Lifeguard]", () => {
  const suspicion = suspicionIn(10);
  assert.equal(deathMs(suspicion, 10), 1_000 + 12_000);
  assert.ok(suspicion.confirm("b"));
  assert.equal(
    deathMs(suspicion, 10),
    1_000 + Math.floor(12_000 - (10_000 * Math.log(2)) / Math.log(3)),
  );
  assert.ok(suspicion.confirm("c"));
  assert.equal(deathMs(suspicion, 10), 1_000 + 2_000);
});

test("suspicion: an accuser counts once, and after a few nobody is news [Lifeguard]", () => {
  const suspicion = suspicionIn(100);
  assert.equal(suspicion.confirm("a"), false);
  const news = ["b", "c", "d", "e", "f", "g"].map((accuser) => suspicion.confirm(accuser));
  assert.deepEqual(news, [true, true, true, true, false, false]);
  assert.equal(suspicion.accusers, 5);
  assert.equal(suspicion.confirmations, 4);
});

test("suspicion: in a small cluster a minority waits for half a minute", () => {
  const pair = suspicionIn(2);
  assert.equal(deathMs(pair, 2), 1_000 + 30_000);
  const three = suspicionIn(3);
  assert.equal(deathMs(three, 3), 1_000 + 30_000);
  three.confirm("b");
  assert.equal(deathMs(three, 3), 1_000 + 2_000, "two of three accuse");
  const five = suspicionIn(5);
  five.confirm("b");
  assert.equal(deathMs(five, 5), 1_000 + 30_000);
  five.confirm("c");
  assert.equal(deathMs(five, 5), 1_000 + 2_000);
});

test("suspicion: heard from the suspect, the clock starts anew with all its accusers", () => {
  const suspicion = suspicionIn(100);
  suspicion.confirm("b");
  const before = suspicion.deadlineMs(100);
  suspicion.restart(1_700);
  assert.equal(suspicion.deadlineMs(100), before + 700);
  assert.equal(suspicion.accusers, 2);
});

test("suspicion: a stall of the accuser is not held against the suspect", () => {
  const suspicion = suspicionIn(100);
  const before = suspicion.deadlineMs(100);
  suspicion.postpone(700);
  assert.equal(suspicion.deadlineMs(100), before + 700);
});

test("suspicion: the last call comes before the end, and the end not before its answer could", () => {
  const inTime = suspicionIn(10);
  const callMs = inTime.deadlineMs(10);
  assert.equal(callMs, 1_000 + 12_000 - ANSWER_MS);
  inTime.handleLastCall(callMs);
  assert.ok(inTime.isCalled);
  assert.equal(inTime.deadlineMs(10), 1_000 + 12_000);
  inTime.postpone(500);
  assert.equal(inTime.deadlineMs(10), 1_000 + 12_500);
  const hurried = suspicionIn(10);
  hurried.confirm("b");
  hurried.confirm("c");
  hurried.handleLastCall(9_000);
  assert.equal(hurried.deadlineMs(10), 9_000 + ANSWER_MS, "accusers came late, all at once");
  hurried.postpone(700);
  assert.equal(hurried.deadlineMs(10), 9_700 + ANSWER_MS);
  hurried.restart(20_000);
  assert.equal(deathMs(hurried, 10), 22_000, "heard: a new suspicion has a call of its own");
});

test("suspicion: who asked the suspect itself long ago does not wait for another answer", () => {
  const suspicion = suspicionIn(10);
  suspicion.handleAsked(1_000);
  suspicion.handleAsked(6_000);
  suspicion.confirm("b");
  suspicion.confirm("c");
  assert.ok(suspicion.deadlineMs(10) < 6_000, "the last call is due at once");
  suspicion.handleLastCall(6_000);
  assert.equal(suspicion.deadlineMs(10), 1_000 + 2_000, "and the end is there");
});
