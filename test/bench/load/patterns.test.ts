/**
 * Every pattern of the load generator in smoke size, against a real broker. No figures are judged.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { LoadResult, LoadShape, LoadTarget } from "../../../bench/load/load-shape.ts";
import { runGenerators, splitLoad } from "../../../bench/load/run-generators.ts";
import { type BrokerProcess, startBroker } from "../../helpers/broker-process.ts";

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 2 });
});
after(async () => {
  await broker.stop();
});

const SMALL: LoadShape = {
  pattern: "pairs",
  publishers: 3,
  subscribers: 3,
  filters: 0,
  qos: 0,
  payloadBytes: 64,
  protocolVersion: 4,
  pace: { kind: "closed", window: 4 },
  isPersistent: false,
};

function load(changes: Partial<LoadShape>, processes = 1): Promise<LoadResult> {
  const { port, pid } = broker;
  const target: LoadTarget = { host: "127.0.0.1", port, pid, transport: "tcp", ca: "" };
  const tasks = splitLoad({ ...SMALL, ...changes }, target, { processes, frozen: null, name: "t" });
  return runGenerators(tasks, target, { warmUpMs: 20, measureMs: 120 });
}

function assertComplete(result: LoadResult): void {
  const { expected, received, ...faults } = result.check;
  // Over the whole run: on a busy machine the measured part of it may be too short for any.
  assert.ok(received > 0);
  assert.equal(received, expected);
  assert.deepEqual(faults, { lost: 0, repeated: 0, disordered: 0, corrupt: 0 });
}

const OPEN: LoadShape["pace"] = { kind: "open", publishesPerSecond: 400 };
const CASES: readonly (readonly [string, Partial<LoadShape>])[] = [
  ["fan-out, QoS 2, MQTT 5", { pattern: "fan-out", qos: 2, protocolVersion: 5, publishers: 2 }],
  ["fan-in, QoS 1", { pattern: "fan-in", qos: 1, subscribers: 1 }],
  ["pairs, more publishers than subscribers", { publishers: 5, subscribers: 2 }],
  ["pairs with stored sessions, QoS 1", { isPersistent: true, qos: 1, protocolVersion: 5 }],
  ["shared, QoS 1", { pattern: "shared", qos: 1 }],
  ["wildcard", { pattern: "wildcard", filters: 30, payloadBytes: 4096 }],
  ["fan-out, open loop", { pattern: "fan-out", pace: OPEN, payloadBytes: 16 }],
  ["shared, open loop, QoS 2", { pattern: "shared", pace: OPEN, qos: 2 }],
];

for (const [name, changes] of CASES) {
  test(`load: ${name}: everything arrives once and in order [MQTT-4.6.0-5]`, async () => {
    assertComplete(await load(changes));
  });
}

test("load: two generator processes share clients and rate, and add up", async () => {
  const result = await load({ publishers: 4, subscribers: 4, pace: OPEN }, 2);
  assertComplete(result);
  const published = result.figures["published"] ?? 0;
  assert.ok(published > 0);
  assert.equal(result.check.expected, published);
});
