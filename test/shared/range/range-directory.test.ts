import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { WireReader } from "../../../src/shared/bytes/wire-reader.ts";
import { bootstrapPlan, FOUNDING_RANGE } from "../../../src/shared/range/bootstrap-plan.ts";
import { readDescriptor, writeDescriptor } from "../../../src/shared/range/descriptor-codec.ts";
import { splitDescriptor } from "../../../src/shared/range/range-change.ts";
import {
  compareKeys,
  holdsKey,
  type RangeDescriptor,
} from "../../../src/shared/range/range-descriptor.ts";
import {
  encodeDirectory,
  RangeDirectory,
  readDirectory,
} from "../../../src/shared/range/range-directory.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";

const key = fc.uint8Array({ minLength: 1, maxLength: 6 });

/** Slices of the whole key space at `cuts`. */
function slices(cuts: readonly Uint8Array[]): RangeDescriptor[] {
  const sorted = [...cuts].sort(compareKeys);
  const unique = sorted.filter((cut, at) => at === 0 || compareKeys(sorted[at - 1]!, cut) !== 0);
  const starts = [new Uint8Array(0), ...unique];
  return starts.map((start, at) => ({
    id: at + 1,
    service: ServiceId.INBOX,
    start,
    end: starts[at + 1] ?? null,
    boundaryVersion: at,
    storeId: 1 + (at % 3),
    mergingInto: 0,
    absorbedId: 0,
  }));
}

test("directory: every key is in the one range that holds it", () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 20 }), key, (cuts, wanted) => {
      const ranges = slices(cuts);
      const directory = new RangeDirectory(1, ranges);
      const holders = ranges.filter((range) => holdsKey(range, wanted));
      assert.deepEqual(holders, [directory.find(ServiceId.INBOX, wanted)]);
      assert.equal(directory.find(ServiceId.RETAIN, wanted), null);
    }),
  );
});

test("directory: a key in a hole has no range", () => {
  const ranges = slices([Uint8Array.of(10), Uint8Array.of(20)]);
  const directory = new RangeDirectory(1, [ranges[2]!, ranges[0]!]);
  assert.equal(directory.find(ServiceId.INBOX, Uint8Array.of(9, 255))?.id, 1);
  assert.equal(directory.find(ServiceId.INBOX, Uint8Array.of(10)), null);
  assert.equal(directory.find(ServiceId.INBOX, Uint8Array.of(20))?.id, 3);
  assert.equal(directory.rightOf(ranges[0]!), null);
});

test("directory: what is encoded is read back, and a cut-off one is refused", () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 8 }), fc.boolean(), (cuts, isDiskFull) => {
      const ranges = slices(cuts);
      const damaged = new Set(ranges.slice(1, 3).map(({ id }) => id));
      const areRoutesWhole = !isDiskFull;
      const directory = new RangeDirectory(9, ranges, { isDiskFull, areRoutesWhole, damaged });
      const bytes = encodeDirectory(directory);
      const read = readDirectory(new WireReader(bytes));
      assert.deepEqual(read?.ranges, directory.ranges);
      assert.equal(read?.version, 9);
      assert.equal(read?.isDiskFull, isDiskFull);
      assert.equal(read?.areRoutesWhole, areRoutesWhole);
      for (const { id } of ranges) assert.equal(read?.isDamaged(id), damaged.has(id));
      for (let size = 0; size < bytes.length; size++) {
        assert.equal(readDirectory(new WireReader(bytes, 0, size)), null);
      }
    }),
  );
});

test("descriptor: bytes of anything else are refused, and never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const range = readDescriptor(new WireReader(bytes));
      if (range === null) return;
      const writer = new RecordWriter();
      writeDescriptor(writer, range);
      assert.deepEqual(readDescriptor(new WireReader(writer.bytes, 0, writer.size)), range);
    }),
  );
  const [range] = slices([]);
  const cases: Partial<Record<keyof RangeDescriptor, unknown>>[] = [
    { service: 9 },
    { id: 0 },
    { storeId: 0 },
    { start: Uint8Array.of(5), end: Uint8Array.of(5) },
    { start: Uint8Array.of(6), end: Uint8Array.of(5) },
  ];
  for (const wrong of cases) {
    const writer = new RecordWriter();
    writeDescriptor(writer, { ...range!, ...wrong } as RangeDescriptor);
    assert.equal(readDescriptor(new WireReader(writer.bytes, 0, writer.size)), null);
  }
});

test("bootstrap: slices of each service meet without gap, one per store, range 1 last", () => {
  for (const stores of [1, 2, 3, 7, 64]) {
    const plan = bootstrapPlan(stores);
    const directory = new RangeDirectory(1, plan);
    assert.equal(plan.at(-1)?.id, FOUNDING_RANGE);
    assert.equal(new Set(plan.map(({ id }) => id)).size, plan.length);
    for (const service of [ServiceId.INBOX, ServiceId.RETAIN]) {
      const ranges = directory.of(service);
      assert.deepEqual(
        ranges.map(({ storeId }) => storeId),
        Array.from({ length: stores }, (_, at) => at + 1),
      );
      assert.equal(ranges[0]!.start.length, 0);
      assert.equal(ranges.at(-1)!.end, null);
      for (const range of ranges.slice(0, -1)) assert.notEqual(directory.rightOf(range), null);
    }
  }
});

test("split: halves meet at the key, with a newer boundary; other keys cut nothing", () => {
  const [, range] = slices([Uint8Array.of(10), Uint8Array.of(20)]);
  const cut = (...bytes: number[]) => {
    return splitDescriptor(range!, { rightId: 9, key: Uint8Array.from(bytes) });
  };
  const halves = cut(15)!;
  assert.deepEqual([...halves.left.end!], [15]);
  assert.deepEqual([...halves.right.start], [15]);
  assert.equal(halves.left.boundaryVersion, range!.boundaryVersion + 1);
  assert.equal(halves.right.boundaryVersion, range!.boundaryVersion + 1);
  assert.equal(cut(10), null);
  assert.equal(cut(20), null);
  assert.equal(cut(9, 9), null);
  assert.notEqual(cut(10, 0), null);
});
