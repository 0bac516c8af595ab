import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CURVE_PERCENTS } from "../../../bench/load/latency.ts";
import { linearAxis, logAxis } from "../../../bench/report/axis.ts";
import { drawBars } from "../../../bench/report/bar-chart.ts";
import { loadWords, planCells, planExpectation } from "../../../bench/report/measure-plan.ts";
import { drawPercentiles } from "../../../bench/report/percentile-chart.ts";
import { PERSISTENT } from "../../../bench/report/persistent-plan.ts";
import { REPORT_PLANS, type ReportPlan } from "../../../bench/report/plans.ts";
import { SvgCanvas } from "../../../bench/report/svg.ts";
import { caseNameOf, judgeTargets } from "../../../bench/report/targets.ts";
import { updateIndex, writeReportFolder } from "../../../bench/report/write-folder.ts";
import { entrantsOf } from "../../../bench/suite/choose-contenders.ts";
import { expectation } from "../../../bench/suite/run-suite.ts";
import { P99_CALM, P99_ELSEWHERE } from "../../../bench/suite/storm-scenario.ts";
import { loadResult, madeResults } from "../results-builder.ts";

const OURS = "ratatosk --workers 1";
/** Peers of two rounds. */
const FOR_ORIENTATION = ["aedes", "mosquitto, autosave 1 s"];

/** Every tag is closed, and every text is escaped: enough for a browser to draw it. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [tag, isEnd, name, isEmpty] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (isEnd === "/") assert.equal(open.pop(), name, tag);
    else if (isEmpty !== "/") open.push(name ?? "");
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
}

function inFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "bench-report-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("svg: text is escaped", () => {
  const canvas = new SvgCanvas(10, 10);
  canvas.text([1, 2], "1 -> 2 & <3>");
  assert.match(canvas.toString(), /1 -&gt; 2 &amp; &lt;3&gt;/);
  assertWellFormed(canvas.toString());
});

test("axis: linear from 0 to a round number, logarithmic over whole decades", () => {
  const linear = linearAxis(47, [0, 100]);
  assert.deepEqual(linear.ticks, [0, 10, 20, 30, 40, 50]);
  assert.equal(linear.place(25), 50);
  assert.equal(linear.place(1000), 100);
  const log = logAxis(20, 5000, [100, 0]);
  assert.deepEqual(log.ticks, [10, 100, 1000, 10_000]);
  assert.ok(Math.abs(log.place(100) - 66.67) < 0.01);
  assert.equal(log.place(0), 100);
});

test("bars: stacked, with whiskers, missing ones, and none at all", () => {
  const series = [
    { name: "a", color: "#000000" },
    { name: "b", color: "#ff0000" },
  ];
  const bar = { parts: [1, 2], spread: [2.5, 3.5], isLowerBound: true } as const;
  const groups = [{ label: "x", bars: [bar, "void"] }];
  const chart = { title: "t", unit: "us", series, groups, partNames: ["user", "system"] };
  const svg = drawBars(chart);
  assertWellFormed(svg);
  assert.match(svg, /≥ 3\.00/);
  assert.match(svg, />void</);
  assertWellFormed(drawBars({ ...chart, groups: [{ label: "x", bars: [null, "failed"] }] }));
});

test("percentiles: a curve is drawn up to the rarest mark", () => {
  const micros = CURVE_PERCENTS.map((percent) => 100 + percent * 50);
  const svg = drawPercentiles("t", "open loop", [{ name: "a", color: "#000000", micros }]);
  assertWellFormed(svg);
  assert.equal([...svg.matchAll(/<path/g)].length, 1);
});

test("report plans: every load and target names cases that exist", () => {
  for (const plan of REPORT_PLANS) {
    const { cases, runs, text } = planExpectation(plan);
    assert.ok(cases > 0 && runs >= cases * 2 * 5, plan.name);
    assert.match(text, /^\d+ (s|min)$/);
    for (const { load } of plan.targets) assert.notEqual(caseNameOf(load, []), "");
  }
});

test("report plans: what is typed replaces what a load says, and that what the plan says", () => {
  const plan = { ...REPORT_PLANS[0]!, options: "--peer mosquitto --fresh case --duration 1" };
  const words = loadWords(plan, "fanout --rate 50% --duration 2", ["--rounds", "7"]);
  assert.equal(
    words.join(" "),
    "fanout --peer mosquitto --fresh case --rate 50% --duration 2 --rounds 7",
  );
  assert.deepEqual(loadWords(plan, "fanout", ["--duration", "3"]).slice(-2), ["--duration", "3"]);
});

test("report plans: over in 65 minutes, stored sessions in 20 more, every pair with five rounds", () => {
  const cellsOf = (plan: ReportPlan) => planCells(plan, [], (options) => entrantsOf(options, ""));
  const stored = cellsOf(PERSISTENT);
  const others = REPORT_PLANS.filter((plan) => plan !== PERSISTENT).flatMap(cellsOf);
  assert.ok(expectation(others).seconds < 65 * 60);
  assert.ok(expectation(stored).seconds < 20 * 60);
  for (const { measuring, entrants, one } of [...others, ...stored]) {
    assert.ok(measuring.rounds >= 5, one.name);
    for (const { contender, rounds } of entrants) {
      assert.equal(rounds === null, !FOR_ORIENTATION.includes(contender.name), one.name);
    }
  }
});

test("targets: met, missed, and not measured", () => {
  const [plan] = REPORT_PLANS;
  assert.ok(plan);
  const results = madeResults(
    ["fanout --window 64 --qos 0", "fanout --window 64 --qos 1"],
    [
      { contender: "mosquitto", perSecond: 100 },
      { contender: OURS, perSecond: 2000 },
    ],
  );
  const outcomes = judgeTargets(plan.targets, results, []);
  const told = outcomes.map(({ target, measured, verdict }) => {
    return `${target.load}: ${measured?.median ?? "-"} ${verdict}`;
  });
  assert.equal(told[0], "fanout --window 64 --qos 0: 20 missed");
  assert.equal(told[1], "fanout --window 64 --qos 1: 20 met");
  assert.equal(told[2], "fanout --window 64 --qos 2: - open");
});

test("targets: void rounds are a lower bound, which can meet a target but not miss it", () => {
  const [plan] = REPORT_PLANS;
  assert.ok(plan);
  const results = madeResults(
    ["fanout --window 64 --qos 0", "fanout --window 64 --qos 1"],
    [
      { contender: "mosquitto", perSecond: 100 },
      { contender: OURS, perSecond: 2000, validity: "void" },
    ],
  );
  const [first, second] = judgeTargets(plan.targets, results, []);
  assert.deepEqual([first?.verdict, first?.isBound], ["open", true]);
  assert.deepEqual([second?.verdict, second?.measured?.median], ["met", 20]);
});

test("targets: one good round among void ones is not their median", () => {
  const [plan] = REPORT_PLANS;
  assert.ok(plan);
  const results = madeResults(
    ["fanout --window 64 --qos 1"],
    [
      ...[1, 2, 3].map(() => ({ contender: "mosquitto", perSecond: 100 })),
      { contender: OURS, perSecond: 1700 },
      { contender: OURS, perSecond: 1900, validity: "void" },
      { contender: OURS, perSecond: 2000, validity: "void" },
    ],
  );
  const [, second] = judgeTargets(plan.targets, results, []);
  assert.deepEqual([second?.verdict, second?.isBound, second?.measured?.median], ["met", true, 19]);
});

test("targets: two of five rounds beside one that only bounds are a bound, not a median", () => {
  const [plan] = REPORT_PLANS;
  assert.ok(plan);
  const results = madeResults(
    ["fanout --window 64 --qos 1"],
    [
      ...[1, 2, 3].map(() => ({ contender: "mosquitto", perSecond: 100 })),
      ...[1, 2].map(() => ({ contender: "mosquitto", perSecond: 100, validity: "void" as const })),
      ...[1, 2].map(() => ({ contender: OURS, perSecond: 1700 })),
      { contender: OURS, perSecond: 1750, validity: "void" },
      ...[1, 2].map(() => ({ contender: OURS, perSecond: 1700 })),
    ],
  );
  const [, second] = judgeTargets(plan.targets, results, []);
  assert.deepEqual(
    [second?.verdict, second?.isBound, second?.measured?.median],
    ["open", true, 17],
  );
});

test("targets: less than half of the rounds decide nothing", () => {
  const [plan] = REPORT_PLANS;
  assert.ok(plan);
  const results = madeResults(
    ["fanout --window 64 --qos 1"],
    [
      { contender: "mosquitto", perSecond: 100 },
      ...[1, 2].map(() => ({ contender: "mosquitto", perSecond: 100, validity: "void" as const })),
      ...[1, 2, 3].map(() => ({ contender: OURS, perSecond: 1700 })),
    ],
  );
  const [, second] = judgeTargets(plan.targets, results, []);
  assert.deepEqual([second?.verdict, second?.measured], ["open", null]);
});

test("targets: latencies seen by a busy generator are an upper bound", () => {
  const [plan] = REPORT_PLANS;
  assert.ok(plan);
  const withP99 = (p99: number) => ({ latency: { ...loadResult(1).latency, p99 } });
  const judged = (p99: number, validity: "void" | "at least" | "valid") => {
    const results = madeResults(
      ["fanout --rate 50% --qos 0"],
      [
        { contender: "mosquitto", perSecond: 100, changes: withP99(100) },
        { contender: OURS, perSecond: 2000, changes: withP99(p99), validity },
      ],
    );
    const outcomes = judgeTargets(plan.targets, results, []);
    const found = outcomes.find(({ target }) => target.load === "fanout --rate 50% --qos 0");
    return [found?.verdict, found?.isBound];
  };
  assert.deepEqual(judged(200, "valid"), ["missed", false]);
  for (const validity of ["void", "at least"] as const) {
    assert.deepEqual(judged(200, validity), ["open", true]);
    assert.deepEqual(judged(90, validity), ["met", true]);
  }
});

test("report on connections: the storm stands beside its control, as figures and as a chart", () => {
  const plan = REPORT_PLANS.find(({ name }) => name === "connections");
  assert.ok(plan);
  const figures = { [P99_CALM]: 1000, [P99_ELSEWHERE]: 5000 };
  const latency = { ...loadResult(1).latency, p99: 6000 };
  const results = madeResults(
    ["storm"],
    [
      { contender: "mosquitto", perSecond: 100, changes: { latency } },
      { contender: OURS, perSecond: 2000, changes: { figures, latency } },
      { contender: OURS, perSecond: 2000, changes: { figures, latency }, validity: "at least" },
    ],
  );
  inFolder((root) => {
    const folder = join(root, "2026-01-02-connections");
    const { outcomes } = writeReportFolder(folder, "2026-01-02", plan, results);
    const storm = outcomes.find(({ target }) => target.load === "storm");
    assert.deepEqual([storm?.verdict, storm?.measured?.median], ["missed", 6]);
    const report = readFileSync(join(folder, "report.md"), "utf8");
    assert.match(report, /6\.00x; another broker takes the storm: 5\.00x/);
    const chart = readFileSync(join(folder, "a-storm-of-15-000-connects-p99.svg"), "utf8");
    assertWellFormed(chart);
    for (const label of ["without the storm", "another broker takes", "this broker takes"]) {
      assert.ok(chart.includes(label), label);
    }
  });
});

test("report folder: report, results, environment, charts; a person's reading survives", () => {
  const [plan] = REPORT_PLANS;
  assert.ok(plan);
  const results = madeResults(
    plan.groups.flatMap(({ loads }) => loads),
    [
      { contender: "mosquitto", perSecond: 100 },
      { contender: OURS, perSecond: 2000 },
    ],
  );
  inFolder((root) => {
    const folder = join(root, "2026-01-02-fan-out");
    writeReportFolder(folder, "2026-01-02", plan, results);
    const files = readdirSync(folder);
    for (const file of ["report.md", "results.json", "environment.json"]) {
      assert.ok(files.includes(file), file);
    }
    const charts = files.filter((file) => file.endsWith(".svg"));
    assert.ok(charts.length >= plan.groups.length);
    const report = () => readFileSync(join(folder, "report.md"), "utf8");
    for (const chart of charts) {
      assertWellFormed(readFileSync(join(folder, chart), "utf8"));
      assert.ok(report().includes(`(${chart})`), chart);
    }
    for (const heading of [
      "## Sketch",
      "## Set-up",
      "## Targets",
      "## Reading",
      "## Not measured",
    ]) {
      assert.ok(report().includes(heading), heading);
    }
    const reading = "The kernel is\nthe limit.\n\nMore words.\n";
    writeFileSync(join(folder, "reading.md"), reading);
    const { entry } = writeReportFolder(folder, "2026-01-02", plan, results);
    assert.equal(entry.answer, "The kernel is the limit.", "the whole first paragraph");
    assert.match(report(), /\*\*Answer\.\*\* The kernel is the limit\.\n/);
    assert.match(report(), /More words\./);
  });
});

test("report index: newest first; a row is replaced, others stay as people wrote them", () => {
  inFolder((root) => {
    const file = join(root, "README.md");
    const rows = () =>
      readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line.startsWith("| 2026"));
    updateIndex(root, "2026-01-02-a", { date: "2026-01-02", question: "Why?", answer: "So | so." });
    const written = readFileSync(file, "utf8").replace("So \\| so.", "By hand.");
    writeFileSync(file, written);
    updateIndex(root, "2026-02-03-b", { date: "2026-02-03", question: "How?", answer: "1" });
    updateIndex(root, "2026-02-03-b", { date: "2026-02-03", question: "How?", answer: "2" });
    assert.deepEqual(rows(), [
      "| 2026-02-03 | [How?](2026-02-03-b/report.md) | 2 |",
      "| 2026-01-02 | [Why?](2026-01-02-a/report.md) | By hand. |",
    ]);
  });
});
