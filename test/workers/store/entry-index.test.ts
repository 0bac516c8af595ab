import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EntryIndex } from "../../../src/workers/store/entry-index.ts";
import { SegmentLoads } from "../../../src/workers/store/segment-loads.ts";

const anyStep = fc.record({
  kind: fc.constantFrom("append", "append", "replace", "gap", "trim", "cut"),
  count: fc.integer({ min: 1, max: 60 }),
});

test("entry index: holds what a plain map holds, and counts what each segment is needed for", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
      const loads = new SegmentLoads();
      const index = new EntryIndex(loads);
      const model = new Map<number, readonly [number, number, number]>();
      let next = 2 ** 33;
      let written = 0;
      const put = (at: number) => {
        written += 1;
        const place = [1 + (written >> 5), written * 8, written % 50] as const;
        index.put(at, ...place);
        model.set(at, place);
      };
      const remove = (from: number, to: number) => {
        index.remove(from, to);
        for (let at = from; at <= to; at++) model.delete(at);
      };
      for (const { kind, count } of steps) {
        if (kind === "append") for (let left = count; left > 0; left--) put(next++);
        else if (kind === "replace" && index.count > 0) put(index.first + (count % index.count));
        else if (kind === "trim") remove(index.first, index.first + count);
        else if (kind === "cut") {
          next = Math.max(index.first, next - count);
          remove(next, next + 1000);
        } else if (kind === "gap") {
          model.clear();
          next += count;
          put(next++);
        }
        // What was emptied goes on anywhere: behind a gap, too.
        if (index.count === 0) next = Math.max(next, index.first);
      }
      assert.equal(index.count, model.size);
      const perSegment = new Map<number, number>();
      let bytes = 0;
      for (const [at, [segment, offset, size]] of model) {
        assert.ok(index.has(at));
        assert.deepEqual(
          [index.segment(at), index.offset(at), index.size(at)],
          [segment, offset, size],
        );
        perSegment.set(segment, (perSegment.get(segment) ?? 0) + 1);
        bytes += size;
      }
      assert.equal(loads.bytes, bytes);
      for (let segment = 1; segment <= 1 + (written >> 5); segment++) {
        assert.equal(loads.entriesIn(segment), perSegment.get(segment) ?? 0);
      }
    }),
  );
});

test("entry index: a log is not cut in its middle", () => {
  const index = new EntryIndex(new SegmentLoads());
  for (let at = 1; at <= 10; at++) index.put(at, 1, at, 1);
  assert.throws(() => index.remove(4, 6), /one of its ends/);
});
