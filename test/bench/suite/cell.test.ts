import assert from "node:assert/strict";
import { test } from "node:test";
import type { Contender, RunningServer } from "../../../bench/contenders/contender.ts";
import { CaseServers } from "../../../bench/suite/case-servers.ts";
import { cellsOf, estimateSeconds, turnsOf } from "../../../bench/suite/cell.ts";
import { parseOptions } from "../../../bench/suite/options.ts";
import { findScenario } from "../../../bench/suite/registry.ts";
import { remainingCells } from "../../../bench/suite/run-suite.ts";
import { madeResults } from "../results-builder.ts";

function fakeContender(name: string, refusal = ""): Contender & { starts: number; stops: number } {
  const contender = {
    name,
    isSubject: name === "ours",
    threads: 1,
    hasHttp: false,
    starts: 0,
    stops: 0,
    refusal: () => refusal,
    start: (): Promise<RunningServer> => {
      contender.starts += 1;
      return Promise.resolve({
        target: { host: "", port: 0, transport: "tcp", ca: "", pid: 0 },
        storeTotals: null,
        loopDelay: null,
        adminPort: 0,
        ownFigures: () => Promise.resolve({}),
        stop: () => {
          contender.stops += 1;
          return Promise.resolve();
        },
      });
    },
  };
  return contender;
}

function cellOf(line: string, contenders: readonly [Contender, number | null][]) {
  const options = parseOptions(line.split(" "));
  const entrants = contenders.map(([contender, rounds]) => ({ contender, rounds }));
  const [cell] = cellsOf(findScenario(options.scenario)!, options, entrants, 1);
  assert.ok(cell);
  return cell;
}

test("cell: brokers take turns, some only in the first rounds", () => {
  const cell = cellOf("fanout --rounds 3", [
    [fakeContender("peer"), 1],
    [fakeContender("ours"), null],
  ]);
  const turns = turnsOf(cell).map(({ contender, round }) => `${contender.name} ${round}`);
  assert.deepEqual(turns, ["peer 1", "ours 1", "ours 2", "ours 3"]);
});

test("cell: of a broker that runs already it is said that the storm has no control", () => {
  const cell = cellOf("storm", [
    [fakeContender("started"), null],
    [{ ...fakeContender("running"), isExternal: true }, null],
  ]);
  const expected = "running: no second broker of its kind, so storm has no control";
  assert.deepEqual(cell.leftOut, [expected]);
  assert.equal(cell.entrants.length, 2);
});

test("cell: who cannot take part is left out with the reason", () => {
  const cell = cellOf("fanout", [
    [fakeContender("peer", "it cannot"), null],
    [fakeContender("ours"), null],
  ]);
  assert.deepEqual(cell.leftOut, ["peer: it cannot"]);
  assert.equal(cell.entrants.length, 1);
  assert.deepEqual(cellOf("http", [[fakeContender("ours"), null]]).leftOut, [
    "ours: it has no HTTP server",
  ]);
});

test("cell: what measures memory has a new process for every run, whatever is asked", () => {
  const ours: [Contender, number | null] = [fakeContender("ours"), null];
  assert.equal(cellOf("fanout --fresh case", [ours]).measuring.fresh, "case");
  assert.equal(cellOf("idle --fresh case", [ours]).measuring.fresh, "run");
});

test("cell: the estimate grows with rounds, duration and clients, shrinks with kept processes", () => {
  const seconds = (line: string) => estimateSeconds(cellOf(line, [[fakeContender("ours"), null]]));
  const usual = seconds("fanout");
  assert.ok(seconds("fanout --rounds 10") > usual * 1.5);
  assert.ok(seconds("fanout --duration 10") > usual * 1.5);
  assert.ok(seconds("fanout --subscribers 5k") > usual);
  assert.ok(seconds("fanout --rate 50%") > usual);
  assert.ok(seconds("fanout --fresh case") < usual);
  assert.ok(seconds("connect --subscribers 50k") > seconds("connect --subscribers 5k") * 3);
});

test("cell: a resumed run leaves out the cases that were measured", () => {
  const done = cellOf("fanout --qos 0", []);
  const other = cellOf("fanout --qos 1", []);
  const known = madeResults(["fanout --qos 0"], []);
  assert.deepEqual(remainingCells({ cells: [done, other], known }), [other]);
  assert.deepEqual(remainingCells({ cells: [done, other], known: null }), [done, other]);
});

test("case servers: one process for all rounds of a case, a new one after a failure", async () => {
  const ours = fakeContender("ours");
  const servers = new CaseServers("tcp", "case");
  const found = await servers.measureOn(ours, async (_server, memory) => {
    memory.maximum = 5;
    return memory;
  });
  await servers.measureOn(ours, async (_server, memory) => assert.equal(memory, found));
  assert.deepEqual([ours.starts, ours.stops], [1, 0]);
  await assert.rejects(servers.measureOn(ours, () => Promise.reject(new Error("no"))));
  await servers.measureOn(ours, () => Promise.resolve());
  assert.deepEqual([ours.starts, ours.stops], [2, 1]);
  assert.equal((await servers.stopAll()).size, 0);
  assert.equal(ours.stops, 2);
});

test("case servers: a new process for every run", async () => {
  const ours = fakeContender("ours");
  const servers = new CaseServers("tcp", "run");
  await servers.measureOn(ours, () => Promise.resolve());
  await servers.measureOn(ours, () => Promise.resolve());
  assert.deepEqual([ours.starts, ours.stops], [2, 2]);
});

test("case servers: a run that fails tells what the broker has warned of", async () => {
  const contender = fakeContender("ours");
  const start = async () => ({ ...(await contender.start("tcp")), warnings: () => ["store_slow"] });
  const servers = new CaseServers("tcp", "run");
  const failing = servers.measureOn({ ...contender, start }, () =>
    Promise.reject(new Error("nothing moved")),
  );
  await assert.rejects(failing, /nothing moved; its log: store_slow/);
  assert.equal(contender.stops, 1);
});
