/** The token bucket for accepting connections. */

import assert from "node:assert/strict";
import test from "node:test";
import { AcceptTokens } from "../../src/main/accept-tokens.ts";
import { sharedWordsSize, WORD_ACCEPT_TOKENS } from "../../src/shared/metrics/shared-words.ts";
import { configFrom } from "./helpers.ts";

function bucket(rate: number, burst: number) {
  const { limits } = configFrom({
    LIMITS__ACCEPT_RATE_PER_SECOND: String(rate),
    LIMITS__ACCEPT_BURST: String(burst),
  }).config;
  const words = new SharedArrayBuffer(sharedWordsSize(1));
  const view = new Int32Array(words);
  return {
    limits,
    tokens: new AcceptTokens(words, limits, 0),
    left: () => view[WORD_ACCEPT_TOKENS]!,
    take: (count: number) => Atomics.sub(view, WORD_ACCEPT_TOKENS, count),
  };
}

test("accept tokens: begin full and never exceed the burst", () => {
  const { tokens, left } = bucket(10, 25);
  assert.equal(left(), 25);
  tokens.refill(60_000);
  assert.equal(left(), 25);
});

test("accept tokens: slow rates add up over short intervals", () => {
  const { tokens, left, take } = bucket(3, 100);
  take(100);
  for (let ms = 50; ms <= 10_000; ms += 50) tokens.refill(ms);
  assert.ok(Math.abs(left() - 30) <= 1, String(left()));
});

test("accept tokens: a bucket taken below zero owes nothing", () => {
  const { tokens, left, take } = bucket(10, 5);
  take(500);
  tokens.refill(100);
  assert.equal(left(), 1);
});

test("accept tokens: without a limit there are always plenty", () => {
  const { tokens, left, take } = bucket(0, 1);
  take(1_000_000);
  tokens.refill(50);
  assert.ok(left() > 1_000_000);
});

test("accept tokens: new limits hold at once", () => {
  const { tokens, limits, left } = bucket(10, 1000);
  tokens.reload({ ...limits, acceptBurst: 7 });
  assert.equal(left(), 7);
});
