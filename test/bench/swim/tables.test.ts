/** The membership tables in small: every row is there, and says what a sound cluster says. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROFILES } from "../../../bench/swim/profiles.ts";
import {
  CRASH_HEAD,
  crashCells,
  drawCrashes,
  HEAL_HEAD,
  healCells,
  PEACE_HEAD,
  peaceCells,
  SPREAD_HEAD,
  spreadCells,
} from "../../../bench/swim/show.ts";
import { crashRows, healRows, peaceRows, spreadRows } from "../../../bench/swim/tables.ts";

const SMALL = { scale: 0.05, nodesMax: 10 };

test("swim tables: a crash is found by every profile, ours being the quickest", () => {
  const rows = [...crashRows(SMALL)];
  assert.equal(rows.length, PROFILES.length * 2 * 2);
  for (const row of rows) {
    assert.equal(row.runs, 2);
    assert.ok(row.suspect[0] <= row.allKnow[0] && row.allKnow[0] <= row.allKnow[1]);
    assert.equal(row.falseDeaths, 0);
    assert.equal(crashCells(row).length, CRASH_HEAD.length);
  }
  const slowest = (name: string) =>
    Math.max(...rows.filter(({ profile }) => profile === name).map(({ allKnow }) => allKnow[1]));
  assert.ok(slowest("Ratatosk") < slowest("memberlist LAN"));
  assert.ok(slowest("Ratatosk") < slowest("BifroMQ"));
  const chart = drawCrashes(rows);
  for (const { name } of PROFILES) assert.ok(chart.includes(name));
  assert.equal(drawCrashes([]), "");
});

test("swim tables: cost does not depend on size, loss makes suspicions", () => {
  const rows = [...peaceRows({ ...SMALL, scale: 0.01 })];
  const quiet = rows.filter(({ lossShare }) => lossShare === 0);
  assert.deepEqual(
    quiet.map(({ nodes }) => nodes),
    [3, 10],
  );
  for (const row of quiet) {
    assert.ok(row.packets > 3.5 && row.packets < 4.5, `${row.packets}`);
    assert.equal(row.suspicions, 0);
  }
  assert.ok(rows.some(({ lossShare, suspicions }) => lossShare === 0.2 && suspicions > 1));
  for (const row of rows) assert.equal(peaceCells(row).length, PEACE_HEAD.length);
});

test("swim tables: splits heal, news spreads", () => {
  const heals = [...healRows({ ...SMALL, scale: 0.02 })];
  assert.deepEqual(
    heals.map(({ split }) => split),
    ["1 | 2", "2 | 3", "3 | 3"],
  );
  for (const row of heals) {
    assert.ok(row.seconds[1] < 7, `${row.split}: ${row.seconds}`);
    assert.equal(healCells(row).length, HEAL_HEAD.length);
  }
  for (const row of spreadRows(SMALL)) {
    assert.ok(row.join[1] <= 0.5 && row.leave[1] <= 1);
    assert.equal(spreadCells(row).length, SPREAD_HEAD.length);
  }
});
