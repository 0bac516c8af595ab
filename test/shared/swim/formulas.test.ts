/** The figures are those of memberlist's own tests and of the papers, by hand. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  antiEntropyScale,
  backoffMs,
  confirmationsWanted,
  detectionBoundMs,
  everybodyThrice,
  isMajority,
  nackDelayMs,
  retransmitLimit,
  scaledByAwareness,
  suspicionMinMs,
  suspicionTimeoutMs,
} from "../../../src/shared/swim/formulas.ts";

test("formulas: retransmissions grow with log10 of the cluster [SWIM §4.1]", () => {
  const limits = [0, 1, 2, 9, 10, 99, 100, 999, 1_000].map((count) => retransmitLimit(3, count));
  assert.deepEqual(limits, [1, 3, 3, 3, 6, 6, 9, 9, 12]);
});

test("formulas: in a small cluster a claim is sent three times per member, up to a dozen", () => {
  const counts = [0, 1, 2, 3, 5, 7, 8, 1_000];
  assert.deepEqual(counts.map(everybodyThrice), [3, 3, 3, 6, 12, 12, 12, 12]);
});

test("formulas: shortest suspicion, never below the multiplier [memberlist suspicionTimeout]", () => {
  const seconds = [1, 5, 10, 50, 100, 1_000].map(
    (count) => suspicionMinMs(3, count, 1_000) / 1_000,
  );
  assert.deepEqual(
    seconds.map((value) => Math.round(value * 1_000) / 1_000),
    [3, 3, 3, 5.097, 6, 9],
  );
  assert.equal(suspicionMinMs(4, 3, 500), 2_000);
});

test("formulas: nobody is waited for whom a small cluster does not have [memberlist suspectNode]", () => {
  const wanted = [1, 2, 3, 4, 5, 1_000].map((count) => confirmationsWanted(4, count));
  assert.deepEqual(wanted, [0, 0, 0, 2, 2, 2]);
  assert.equal(confirmationsWanted(1, 100), 0);
});

test("formulas: a suspicion shortens with each confirmation [Lifeguard, LHA-Suspicion]", () => {
  // memberlist's table for k = 3, min 2 s, max 30 s.
  const timeouts = [0, 1, 2, 3, 4].map((count) => suspicionTimeoutMs(count, 3, 2_000, 30_000));
  assert.deepEqual(timeouts, [30_000, 16_000, 7_810, 2_000, 2_000]);
  assert.equal(suspicionTimeoutMs(0, 0, 2_000, 30_000), 2_000);
});

test("formulas: intervals stretch with the local health score [Lifeguard, LHA-Probe]", () => {
  assert.deepEqual(
    [0, 1, 7].map((score) => scaledByAwareness(500, score)),
    [500, 1_000, 4_000],
  );
  assert.equal(nackDelayMs(200), 160);
});

test("formulas: full comparisons get rarer above the threshold [memberlist pushPullScale]", () => {
  const counts = [0, 16, 32, 33, 64, 65, 128, 129];
  assert.deepEqual(
    counts.map((count) => antiEntropyScale(count, 32)),
    [1, 1, 1, 2, 2, 3, 3, 4],
  );
});

test("formulas: retries back off to their limit, and no further", () => {
  const pauses = [0, 1, 2, 3, 4, 5, 1_000].map((attempt) => backoffMs(attempt, 1_000, 10_000));
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
});

test("formulas: a majority is more than half", () => {
  assert.equal(isMajority(1, 2), false);
  assert.equal(isMajority(2, 3), true);
  assert.equal(isMajority(2, 4), false);
  assert.equal(isMajority(3, 5), true);
});

test("formulas: detection is bounded by two periods, the suspicion and six rounds", () => {
  assert.equal(detectionBoundMs(2_000, 500, 100), 3_600);
});
