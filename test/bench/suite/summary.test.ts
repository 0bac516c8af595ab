import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { LoadResult } from "../../../bench/load/load-shape.ts";
import { validityOf, voidReasonOf } from "../../../bench/load/validity.ts";
import {
  compareResults,
  comparisonNotes,
  countVerdicts,
  formatComparison,
} from "../../../bench/suite/compare-results.ts";
import { selfTimes } from "../../../bench/suite/profile.ts";
import { pairwiseRatios, readResults, writeResults } from "../../../bench/suite/results.ts";
import { caseNotes, summarize } from "../../../bench/suite/summary.ts";
import { loadResult, madeResults } from "../results-builder.ts";

const OURS = "ratatosk --workers 1";
const PEER = "mosquitto";

function runs(contender: string, rates: readonly number[]) {
  return rates.map((perSecond) => ({ contender, perSecond }));
}

test("summary: medians with their spread, and ratios within a round", () => {
  const results = madeResults(
    ["fanout --window 64"],
    [...runs(PEER, [100, 200, 300]), ...runs(OURS, [1000, 1000, 6000])],
  );
  const [one] = results.cases;
  assert.ok(one);
  const text = summarize(results, one);
  assert.match(text, /mosquitto +200 \(100\.\.300\)/);
  assert.match(text, /10\.00x \(5\.00x\.\.20\.00x\)/);
  const at = { caseName: one.name, contender: OURS, peer: PEER };
  assert.deepEqual(
    pairwiseRatios(results, at, (result) => result.perSecond),
    [10, 5, 20],
  );
});

test("summary: void and failed runs are left out of figures, and told", () => {
  const results = madeResults(
    ["fanout"],
    [
      { contender: OURS, perSecond: 1000 },
      { contender: OURS, perSecond: 9e9, validity: "void" },
      { contender: OURS, perSecond: 9e9, validity: "failed" },
      { contender: OURS, perSecond: 1000, validity: "at least" },
    ],
  );
  const [one] = results.cases;
  assert.ok(one);
  const text = summarize(results, one);
  assert.match(text, />= 1\.00 k/);
  assert.match(text, /1 of 4 runs void/);
  assert.match(text, /1 of 4 runs failed: 3 lost/);
});

test("summary: a machine that others used is told", () => {
  const results = madeResults(
    ["p2p"],
    [{ contender: OURS, perSecond: 1, changes: { othersCores: 1.25 } }],
  );
  const [one] = results.cases;
  assert.ok(one);
  assert.deepEqual(caseNotes(results, one), [
    `${OURS}: others used up to 1.3 cores of this machine meanwhile`,
  ]);
});

test("summary: a published figure stands per busy core beside ours", () => {
  const results = madeResults(["2k_2k_qos0_p32_100mps --scale 0.01"], runs(OURS, [4000]));
  const [one] = results.cases;
  assert.ok(one);
  const [theirs, ours] = caseNotes(results, one);
  // 200,000 / 32 cores / 80 % busy
  assert.match(theirs ?? "", /= 7\.81 k\/s per busy core/);
  // 2 CPU-microseconds per delivery
  assert.match(ours ?? "", /500 k\/s per busy core, 64\.0 times/);
});

test("validity: the generator as the limit, a saturated broker, faults, and nothing at all", () => {
  const busy = { generatorShare: 0.9 };
  const saturated = { ...loadResult(1).broker!, cores: 0.97 };
  const check = { ...loadResult(1).check, expected: 1000, lost: 1 };
  assert.equal(validityOf(loadResult(1), 0, 1), "valid");
  assert.equal(validityOf(loadResult(1, busy), 0, 1), "void");
  assert.equal(validityOf(loadResult(1, { ...busy, broker: saturated }), 0, 1), "at least");
  assert.equal(validityOf(loadResult(1, { ...busy, broker: saturated }), 0, 2), "void");
  assert.equal(validityOf(loadResult(1, { ...busy, broker: null }), 0, 1), "void");
  assert.equal(validityOf(loadResult(1, { check }), 0, 1), "valid");
  assert.equal(validityOf(loadResult(1, { check }), 1, 1), "failed");
  const disordered = { ...loadResult(1).check, disordered: 1 };
  assert.equal(validityOf(loadResult(1, { check: disordered }), 0, 1), "failed");
  assert.equal(validityOf(loadResult(0), 0, 1), "void");
});

test("validity: a load that was not sent, not awaited or mostly lost is void, and says why", () => {
  const { check, latency } = loadResult(1);
  const cases: readonly [Partial<LoadResult>, RegExp][] = [
    [{ unfinished: { unsent: 7, late: 0 } }, /^7 publishes could not be sent/],
    [{ unfinished: { unsent: 0, late: 9 } }, /^9 deliveries were still to come/],
    [{ check: { ...check, expected: 1000, lost: 11 } }, /^1 % of the deliveries were lost/],
    [{ latency: { ...latency, count: 0 } }, /^nothing that was sent in the measured time/],
    [{ operations: 0 }, /^nothing arrived/],
    [{ generatorShare: 0.99 }, /^the generator was the limit: 99 % busy while .* 0.90 cores/],
  ];
  for (const [changes, reason] of cases) {
    const result = loadResult(1, changes);
    assert.equal(validityOf(result, 0, 1), "void");
    assert.match(voidReasonOf(result, 1), reason);
  }
  const few = loadResult(1, { check: { ...check, expected: 1000, lost: 10 } });
  assert.equal(validityOf(few, 0, 1), "valid");
  assert.equal(voidReasonOf(few, 1), "");
});

test("results: survive their file; other files are refused", () => {
  const directory = mkdtempSync(join(tmpdir(), "bench-results-"));
  try {
    const results = madeResults(["fanout"], runs(OURS, [10, 20]));
    const file = join(directory, "below", "results.json");
    writeResults(file, results);
    assert.deepEqual(readResults(file), JSON.parse(JSON.stringify(results)));
    const damaged: readonly (readonly [unknown, RegExp])[] = [
      [{ format: 7 }, /not results of this suite: format 7, not 1$/],
      [{ format: 1 }, /it has no command$/],
      [null, /no object$/],
      [{ ...results, environment: {} }, /it has no environment$/],
      [{ ...results, curves: undefined }, /it has no curves$/],
      [{ ...results, samples: [{ caseName: "x" }] }, /samples\[0\] is not complete$/],
      [{ ...results, samples: [{ ...results.samples[0], result: {} }] }, /samples\[0\]\.result/],
    ];
    const other = join(directory, "other.json");
    for (const [content, expected] of damaged) {
      writeFileSync(other, JSON.stringify(content));
      assert.throws(() => readResults(other), expected);
    }
    writeFileSync(other, JSON.stringify(results).slice(0, 200));
    assert.throws(() => readResults(other), /damaged, or no JSON at all$/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("compare: faster and slower are told apart, also beside the peer", () => {
  const before = madeResults(
    ["fanout"],
    [...runs(PEER, [100, 101, 102, 103, 104]), ...runs(OURS, [1000, 1010, 1020, 1030, 1040])],
  );
  const after = madeResults(
    ["fanout", "p2p"],
    [...runs(PEER, [100, 101, 102, 103, 104]), ...runs(OURS, [1200, 1210, 1220, 1230, 1240])],
  );
  const rows = compareResults(before, after);
  const verdictOf = (contender: string, metric: string) =>
    rows.find((row) => row.contender === contender && row.metric === metric)?.comparison.verdict;
  assert.equal(verdictOf(OURS, "deliveries/s"), "better");
  assert.equal(verdictOf(OURS, "rate, times mosquitto"), "better");
  assert.equal(verdictOf(PEER, "deliveries/s"), "no difference shown");
  assert.equal(verdictOf(OURS, "p99"), "no difference shown");
  assert.match(formatComparison(rows), /\+19\.6 %/);
  assert.match(countVerdicts(rows), /^2 better, 0 worse, 0 failed/);
  assert.match(formatComparison([]), /nothing|no case/);
});

test("compare: where runs only fail now, that is the verdict; voids are told, and bound nothing", () => {
  const before = madeResults(["fanout"], runs(OURS, [1000, 1010, 1020, 1030]));
  const failing = [1, 2].map(() => ({
    contender: OURS,
    perSecond: 1,
    validity: "failed" as const,
  }));
  const after = madeResults(["fanout"], failing);
  const [row, ...others] = compareResults(before, after);
  assert.deepEqual(others, []);
  assert.deepEqual([row?.comparison.verdict, row?.after], ["failed", "0 of 2: 3 lost"]);
  assert.match(formatComparison([row!]), /usable runs +4 of 4 +0 of 2: 3 lost +- +- +failed/);
  assert.match(countVerdicts([row!]), /^0 better, 0 worse, 1 failed/);
  const voids = madeResults(["fanout"], [{ contender: OURS, perSecond: 9, validity: "void" }]);
  assert.deepEqual(compareResults(before, voids), []);
  const [note] = comparisonNotes(before, voids);
  assert.match(note ?? "", /^after: fanout.*: 1 void and 0 failed of 1 runs left out$/);
});

test("compare: memory, rare latencies and a scenario's own figures; other machines are named", () => {
  const figures = { "bytes per connection": 7000, "messages per commit": 3 };
  const made = (perConnection: number, peakMiB: number) => {
    const changes = {
      broker: { ...loadResult(1).broker!, peakMiB },
      figures: { ...figures, "bytes per connection": perConnection },
    };
    return madeResults(
      ["idle"],
      [1, 2, 3, 4].map((perSecond) => ({ contender: OURS, perSecond, changes })),
    );
  };
  const [before, after] = [made(7000, 64), made(9000, 50)];
  const rows = compareResults(before, after);
  const verdictOf = (metric: string) =>
    rows.find((row) => row.metric === metric)?.comparison.verdict;
  assert.equal(verdictOf("bytes per connection"), "worse");
  assert.equal(verdictOf("peak MiB"), "better");
  assert.equal(verdictOf("p99.9"), "no difference shown");
  assert.equal(verdictOf("messages per commit"), undefined, "neither way is better");
  const elsewhere = { ...after, environment: { ...after.environment, node: "v99", cores: 64 } };
  const cores = before.environment.cores;
  const node = before.environment.node;
  assert.deepEqual(comparisonNotes(before, elsewhere), [
    `different cores: ${cores} before, 64 after`,
    `different node: ${node} before, v99 after`,
  ]);
});

test("profile: self times by function, idle included", () => {
  const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 4 });
  const times = selfTimes({
    nodes: [
      { id: 1, callFrame: frame("(idle)", "") },
      { id: 2, callFrame: frame("send", "file:///x/src/workers/mqtt/tcp.js") },
    ],
    samples: [1, 2, 2],
    timeDeltas: [100, 20, 30],
  });
  assert.deepEqual(
    [...times],
    [
      ["(idle)", 100],
      ["send workers/mqtt/tcp.js:5", 50],
    ],
  );
});
