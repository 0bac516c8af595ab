/**
 * Every scenario of the suite in smoke size, through the code that runs the real ones. No figures
 * are judged.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunningServer } from "../../../bench/contenders/contender.ts";
import { ratatosk } from "../../../bench/contenders/ratatosk.ts";
import type { LoadResult } from "../../../bench/load/load-shape.ts";
import { faultsOf } from "../../../bench/load/validity.ts";
import type { CasePace, CaseParameters, Scenario } from "../../../bench/suite/case.ts";
import { expandCases } from "../../../bench/suite/expand-cases.ts";
import { parseOptions } from "../../../bench/suite/options.ts";
import { findScenario, OWN_SCENARIOS, scenariosNamed } from "../../../bench/suite/registry.ts";

const OURS = ratatosk({ workers: 2, profileDirectory: "" });
const FEW = 12;
/** The shortest does, unless this machine is so busy that nothing is sent within it. */
const DURATIONS_MS = [150, 600, 2400] as const;
const PUBLISHED = ["1_100000", "share_100k_1000", "persistent_300_300"];

let server: RunningServer;

before(async () => {
  server = await OURS.start("tcp");
});
after(async () => {
  await server.stop();
});

function smallPace(pace: CasePace): CasePace {
  switch (pace.kind) {
    case "closed":
      return { kind: "closed", window: Math.min(pace.window, 4) };
    case "open":
      // Fast enough that something arrives within the measured time.
      return { kind: "open", publishesPerSecond: 200 };
    case "share":
      return pace;
  }
}

async function runSmall(scenario: Scenario, words: readonly string[] = []): Promise<void> {
  const [one] = expandCases(scenario, parseOptions([scenario.name, ...words]));
  assert.ok(one);
  let received = 0;
  for (const durationMs of DURATIONS_MS) {
    const { check } = await measureSmall(scenario, one.parameters, durationMs);
    assert.equal(faultsOf(check, 1), "");
    received = check.received;
    if (received > 0) break;
  }
  assert.ok(received > 0);
}

function measureSmall(
  scenario: Scenario,
  parameters: CaseParameters,
  durationMs: number,
): Promise<LoadResult> {
  return scenario.measure({
    parameters: {
      ...parameters,
      publishers: Math.min(parameters.publishers, FEW),
      subscribers: Math.min(parameters.subscribers, FEW),
      items: Math.min(parameters.items, FEW * 5),
      pace: smallPace(parameters.pace),
    },
    server,
    startAnother: () => OURS.start("tcp"),
    found: { maximum: null },
    warmUpMs: 20,
    durationMs,
    settleMs: 20,
    processes: 1,
    client: "raw",
  });
}

for (const scenario of OWN_SCENARIOS) {
  test(`scenario ${scenario.name}: runs, and loses nothing`, async () => {
    await runSmall(scenario);
  });
}

for (const scenario of PUBLISHED.flatMap(scenariosNamed)) {
  test(`published scenario ${scenario.name}: runs, and loses nothing`, async () => {
    await runSmall(scenario);
  });
}

test("scenario http: latencies are in microseconds, and the generator's own CPU time is told", async () => {
  const http = findScenario("http");
  assert.ok(http);
  const [one] = expandCases(http, parseOptions(["http"]));
  assert.ok(one);
  const { latency, generatorShare, operations } = await measureSmall(http, one.parameters, 150);
  assert.equal(latency.count, operations);
  assert.ok(latency.p50 > 0 && latency.mean % 1000 !== 0, `mean ${latency.mean}`);
  assert.ok(generatorShare > 0);
});

test("scenario fanout: at a share of the maximum that was found before", async () => {
  const [fanOut] = scenariosNamed("fanout");
  assert.ok(fanOut);
  await runSmall(fanOut, ["--rate", "10%"]);
});
