/** Nodes whose stored rows have rotted, for the tests of what ranges do then. */

import assert from "node:assert/strict";
import type { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { type RangeRig, SERVICE } from "../../helpers/range-rig.ts";

type DamageOf = readonly [table: StoreTable, isWanted: (key: Uint8Array) => boolean];

/** Flips a bit in each value of a table that `isWanted`. */
export function damage(rig: RangeRig, ...[table, isWanted]: DamageOf): number {
  let count = 0;
  const rows = rig.disks[0]!.tables[table]!;
  const wanted: [Uint8Array, Uint8Array][] = [];
  rows.visit({ start: new Uint8Array(0), end: null }, (key, value) => {
    if (isWanted(key)) wanted.push([key, value]);
    return true;
  });
  for (const [key, value] of wanted) {
    const rotten = value.slice();
    rotten[rotten.length - 1]! ^= 1;
    rows.set(key, rotten);
    count += 1;
  }
  return count;
}

/** What was proposed is applied, and written to the tables. */
export async function collected(rig: RangeRig): Promise<void> {
  await rig.settle();
  rig.nowMs += 10_000;
  await rig.settle();
}

/** Starts the node with those values damaged. */
export async function startDamaged(rig: RangeRig, ...what: DamageOf): Promise<void> {
  assert.ok(damage(rig, ...what) > 0);
  rig.boot();
  await rig.serve();
}

export function isOfRange(id: number): (key: Uint8Array) => boolean {
  return (key) => new DataView(key.buffer, key.byteOffset).getUint32(0) === id;
}

/** Of the rows of the first half: range 2's. */
export function isStateOfRange2(key: Uint8Array): boolean {
  return key[0] === (0x80 | SERVICE) && key[1]! < 0x80;
}
