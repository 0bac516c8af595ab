import assert from "node:assert/strict";
import test from "node:test";
import { LOG_KINDS } from "../../bench/command-line.ts";
import { drawSoak } from "../../bench/soak/soak-chart.ts";
import type { SoakStatus } from "../../bench/soak/soak-message.ts";
import { runSoak } from "../../bench/soak/soak-run.ts";
import { judgeSoak, SoakTotals } from "../../bench/soak/soak-totals.ts";
import { scratchFolder } from "../workers/store/store-fixtures.ts";

const MIB = 1024 * 1024;

function status(changes: Partial<SoakStatus>): SoakStatus {
  return {
    worker: 1,
    durable: [],
    appends: 0,
    commitMicros: [],
    committingMs: 0,
    flushMs: 0,
    snapshots: 0,
    fileBytes: 0,
    liveBytes: 0,
    ...changes,
  };
}

test("soak: a log that ends before what was durable is an error, a longer one is not", () => {
  const totals = new SoakTotals();
  const ranges = (last: number) => [
    { id: 101, lastIndex: last, damage: null },
    { id: 102, lastIndex: 7, damage: null },
  ];
  totals.addStatus(
    status({
      durable: [
        [101, 50],
        [102, 7],
        [201, 9],
      ],
    }),
  );
  totals.addOpened({ worker: 1, openMs: 1, ranges: ranges(60) });
  assert.deepEqual(totals.report(1).errors, []);
  totals.addOpened({ worker: 1, openMs: 1, ranges: ranges(49) });
  assert.match(totals.report(1).errors.join(), /range 101: entry 50 was durable.* ends at 49/);
  totals.addOpened({ worker: 2, openMs: 1, ranges: [] });
  assert.match(totals.report(1).errors.join(), /range 201: entry 9 was durable.* ends at -1/);
});

test("soak: the gate judges errors, growth and flushing", () => {
  const totals = new SoakTotals();
  totals.addStatus(
    status({ committingMs: 100, flushMs: 50, fileBytes: 40 * MIB, liveBytes: 10 * MIB }),
  );
  totals.addStatus(status({ fileBytes: 40 * MIB, liveBytes: MIB }));
  assert.deepEqual(judgeSoak(totals.report(1), "lmdb"), []);
  totals.addStatus(
    status({ committingMs: 1, flushMs: 2, fileBytes: 41 * MIB, liveBytes: 10 * MIB }),
  );
  totals.addError("something");
  const faults = judgeSoak(totals.report(1), "lmdb").join("; ");
  assert.match(faults, /1 errors; the file grew to 4.1 times .*; flushing took 51 %/);
  assert.equal(judgeSoak(totals.report(1), "segments").length, 2);
});

for (const log of LOG_KINDS) {
  test(`soak: a short one over ${log} loses nothing and can be drawn`, async (t) => {
    const task = {
      folder: scratchFolder(t),
      durability: "fsync",
      log,
      workers: 2,
      appendsPerSecond: 1000,
    } as const;
    const report = await runSoak(task, { seconds: 2, secondsPerLife: 1, progress: () => {} });
    assert.deepEqual(report.errors, []);
    assert.equal(report.kills, 2);
    assert.equal(report.points.length, 2);
    assert.match(drawSoak(report.points), /^<svg/);
  });
}
