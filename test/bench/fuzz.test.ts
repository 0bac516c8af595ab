/**
 * The fuzzer in smoke size, with fixed seeds: it runs, it is reproducible, and it finds nothing.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzBroker } from "../../bench/fuzz/fuzz-broker.ts";
import { fuzzDecoder, toHex } from "../../bench/fuzz/fuzz-decoder.ts";
import { mutantOf } from "../../bench/fuzz/mutate.ts";
import { Random } from "../../bench/fuzz/random.ts";
import { ILLEGAL_PACKETS } from "../helpers/illegal-packets.ts";
import { LEGAL_PACKETS } from "../helpers/legal-packets.ts";

const PACKETS = [...LEGAL_PACKETS, ...ILLEGAL_PACKETS].map((entry) => entry.bytes);

function mutants(seed: number, count: number): string[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => toHex(mutantOf(random, PACKETS)));
}

test("fuzz: a seed gives the same mutants again, another seed gives others", () => {
  assert.deepEqual(mutants(7, 200), mutants(7, 200));
  assert.notDeepEqual(mutants(7, 200), mutants(8, 200));
  assert.ok(new Set(mutants(7, 200)).size > 150, "mutants differ from each other");
});

test("fuzz: random numbers stay below their limit and reach all of it", () => {
  const random = new Random(1);
  const seen = new Set(Array.from({ length: 500 }, () => random.below(10)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("fuzz: decoder: ten thousand mutants keep its promises [MQTT-4.13.1-1]", () => {
  let rounds = 0;
  const report = fuzzDecoder(new Random(42), PACKETS, () => {
    rounds += 1;
    return rounds > 20;
  });
  assert.equal(report.packets, 10_000);
  assert.ok(report.accepted > 100, "some mutants are legal packets");
});

test("fuzz: live broker: witnesses miss nothing, nothing is left behind [MQTT-4.13.1-1]", {
  timeout: 40_000,
}, async () => {
  const report = await fuzzBroker({
    random: new Random(42),
    seeds: PACKETS,
    milliseconds: 1_500,
    workers: 2,
  });
  assert.ok(report.connections > 10 && report.exchanged > 1);
});
