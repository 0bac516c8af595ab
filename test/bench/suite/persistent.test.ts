/** The scenarios with stored sessions in smoke size. No figures are judged. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunningServer } from "../../../bench/contenders/contender.ts";
import { ratatosk } from "../../../bench/contenders/ratatosk.ts";
import type { LoadResult, LoadShape } from "../../../bench/load/load-shape.ts";
import { runGenerators } from "../../../bench/load/run-generators.ts";
import type { StoredTask } from "../../../bench/load/stored-run.ts";
import { faultsOf } from "../../../bench/load/validity.ts";
import type { Scenario } from "../../../bench/suite/case.ts";
import { expandCases } from "../../../bench/suite/expand-cases.ts";
import { parseOptions, UsageError } from "../../../bench/suite/options.ts";
import { PERSISTENT_SCENARIOS } from "../../../bench/suite/persistent-scenarios.ts";
import { type BrokerProcess, startBroker } from "../../helpers/broker-process.ts";

const FEW = 6;
const SHAPE: LoadShape = {
  pattern: "fan-out",
  publishers: 1,
  subscribers: 2,
  filters: 0,
  qos: 1,
  payloadBytes: 64,
  protocolVersion: 4,
  pace: { kind: "closed", window: 4 },
  isPersistent: true,
};

let server: RunningServer;

before(async () => {
  const ours = ratatosk({ workers: 2, profileDirectory: "", durability: "os" });
  server = await ours.start("tcp", true);
});
after(async () => {
  await server.stop();
});

function measureSmall(scenario: Scenario, words: readonly string[]): Promise<LoadResult> {
  const [one] = expandCases(scenario, parseOptions([scenario.name, ...words]));
  assert.ok(one);
  const { parameters } = one;
  return scenario.measure({
    parameters: {
      ...parameters,
      publishers: Math.min(parameters.publishers, FEW),
      subscribers: Math.min(parameters.subscribers, FEW),
      items: Math.min(parameters.items, FEW * 50),
    },
    server,
    startAnother: null,
    found: { maximum: null },
    warmUpMs: 20,
    durationMs: 150,
    settleMs: 20,
    processes: 1,
    client: "raw",
  });
}

for (const scenario of PERSISTENT_SCENARIOS) {
  for (const words of [
    ["--qos", "1"],
    ["--qos", "2", "--protocol", "5"],
  ]) {
    test(`scenario ${scenario.name} ${words.join(" ")}: runs, and loses nothing`, async () => {
      const { check, figures } = await measureSmall(scenario, words);
      assert.equal(faultsOf(check, 1), "");
      assert.ok(check.received > 0);
      assert.ok((figures["commits per second"] ?? 0) > 0);
    });
  }
}

test("persistent scenarios: QoS 0 is refused, because nobody stores it", () => {
  for (const scenario of PERSISTENT_SCENARIOS) {
    const options = parseOptions([scenario.name, "--qos", "0"]);
    assert.throws(() => expandCases(scenario, options), UsageError);
  }
});

test("stored run: what a broker has no room for counts as lost", async () => {
  const broker: BrokerProcess = await startBroker({
    workers: 1,
    config: { tenants: { defaults: { SessionInboxSize: 10 } } },
  });
  const target = {
    host: "127.0.0.1",
    port: broker.port,
    pid: 0,
    transport: "tcp",
    ca: "",
  } as const;
  const task: StoredTask = {
    kind: "stored",
    shape: SHAPE,
    target,
    prefix: "full",
    drained: 50,
    stallMs: 200,
  };
  try {
    const { check } = await runGenerators([task], target, { warmUpMs: 0, measureMs: null });
    assert.equal(check.expected, 100);
    assert.equal(check.received, 20);
    assert.equal(check.lost, 80);
    assert.equal(check.repeated + check.disordered + check.corrupt, 0);
  } finally {
    await broker.stop();
  }
});
