/** What main hears of the load of ranges. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { WireReader } from "../../../src/shared/bytes/wire-reader.ts";
import { type RangeLoad, readLoads } from "../../../src/shared/range/range-report.ts";
import type { RingEndpoint } from "../../../src/shared/ring/ring-endpoint.ts";
import type { HostedRange } from "../../../src/workers/ranges/hosted-range.ts";
import { LoadReporter } from "../../../src/workers/ranges/load-reporter.ts";

/** Ranges by store and bytes of commands; what is reported, by range. */
function fixture(ranges: readonly { storeId: number; loadBytes: number }[]) {
  const loads = new Map<number, RangeLoad>();
  const enqueue: RingEndpoint["enqueue"] = (_target, _type, bytes, offset, length) => {
    readLoads(new WireReader(bytes, offset, offset + length), (load) => loads.set(load.id, load));
  };
  const hosted = ranges.map(({ storeId, loadBytes }, at) => {
    const machine = { keyCount: 5, stateBytes: 6 };
    const descriptor = { storeId };
    const known = { logEntries: 7, applied: 8, busyMs: 1.5 };
    return { id: at + 1, descriptor, machine, loadBytes, ...known } as unknown as HostedRange;
  });
  const byId = new Map(hosted.map((range) => [range.id, range]));
  return { loads, hosted, reporter: new LoadReporter({ enqueue } as RingEndpoint, byId) };
}

test("load reporter: the time of commits is shared out by bytes of commands, store by store", () => {
  const { loads, hosted, reporter } = fixture([
    { storeId: 1, loadBytes: 300 },
    { storeId: 1, loadBytes: 100 },
    { storeId: 2, loadBytes: 1 },
    { storeId: 3, loadBytes: 0 },
  ]);
  for (const ms of [60, 20]) reporter.committed(1, ms);
  // Two at a time overlap: no more than all of the second.
  for (const ms of [900, 800]) reporter.committed(2, ms);
  reporter.committed(3, 10);
  reporter.flush(5000);
  const written = [...loads.values()].map(({ ioMicros }) => ioMicros);
  assert.deepEqual(written, [60_000, 20_000, 1_000_000, 0]);
  const first = { id: 1, keys: 5, stateBytes: 6, logEntries: 7, applied: 8 };
  assert.deepEqual(loads.get(1), { ...first, busyMicros: 1500, ioMicros: 60_000 });
  for (const range of hosted) range.loadBytes = 100;
  reporter.flush(6000);
  const { busyMicros, ioMicros } = loads.get(1)!;
  assert.deepEqual([busyMicros, ioMicros], [0, 0], "since the last report");
});
