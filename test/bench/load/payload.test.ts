import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LatencyHistogram, LatencyRecorder } from "../../../bench/load/latency.ts";
import {
  blankPayload,
  isPayloadIntact,
  payloadAgeMicros,
  payloadPublisher,
  payloadSequence,
  writePayloadHeader,
} from "../../../bench/load/payload.ts";

function written(size: number, publisher: number, sequence: number, sentMicros: number): Buffer {
  const payload = blankPayload(size);
  writePayloadHeader(payload, 0, { publisher, sequence, sentMicros }, payload.length);
  return payload;
}

test("payload: what was written is read, over the whole range of clock and numbers [property]", () => {
  const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const times = fc.double({ min: 0, max: 2 ** 45, noNaN: true });
  fc.assert(
    fc.property(uint32, uint32, times, (publisher, sequence, sent) => {
      const payload = written(40, publisher, sequence, sent);
      assert.equal(payloadPublisher(payload, 0), publisher);
      assert.equal(payloadSequence(payload, 0), sequence);
      assert.ok(isPayloadIntact(payload, 0, 40, 40));
      const age = payloadAgeMicros(payload, 0, sent + 1234);
      assert.ok(age >= 1234 && age <= 1235, `${age}`);
    }),
  );
});

test("payload: every changed byte of a fully checked one is noticed", () => {
  // Sequence 32: its low bits are zero.
  const payload = written(300, 7, 32, 5_000_000);
  for (let at = 0; at < payload.length; at += 1) {
    payload[at]! ^= 0x20;
    assert.ok(!isPayloadIntact(payload, 0, 300, 300), `byte ${at}`);
    payload[at]! ^= 0x20;
  }
  assert.ok(isPayloadIntact(payload, 0, 300, 300));
});

test("payload: other lengths are noticed, and the end of every one", () => {
  const payload = written(300, 7, 33, 5_000_000);
  assert.ok(!isPayloadIntact(payload, 0, 299, 300));
  assert.ok(!isPayloadIntact(payload, 0, 299, 299));
  payload[299] = 0;
  assert.ok(!isPayloadIntact(payload, 0, 300, 300));
  assert.equal(blankPayload(3).length, 16);
});

test("payload: a clock that runs a little behind is no age", () => {
  assert.equal(payloadAgeMicros(written(16, 0, 0, 1000), 0, 990), 0);
  assert.equal(payloadAgeMicros(written(16, 0, 0, 2 ** 32 - 5), 0, 2 ** 32 + 5), 10);
});

test("latency recorder: agrees with the histogram's own to three digits [property]", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 599_000_000 }), { minLength: 1 }), (values) => {
      const recorder = new LatencyRecorder();
      const histogram = new LatencyHistogram();
      for (const value of values) {
        recorder.record(value + 0.4);
        histogram.record(value);
      }
      const own = recorder.histogram().percentiles();
      const wanted = histogram.percentiles();
      assert.equal(own.count, wanted.count);
      for (const name of ["p50", "p90", "p99", "max"] as const) {
        assert.ok(Math.abs(own[name] - wanted[name]) <= wanted[name] * 0.002, name);
      }
    }),
  );
});

test("latency histogram: merging processes is as if one had recorded all", () => {
  const parts = [1, 2, 3].map((seed) => {
    const recorder = new LatencyRecorder();
    for (let value = 1; value < 100; value += 1) recorder.record(value * 37 * seed);
    return recorder.histogram();
  });
  const whole = new LatencyHistogram();
  for (const part of parts) whole.merge(part);
  const merged = LatencyHistogram.merged(parts.map((part) => part.encode()));
  assert.deepEqual(merged.curve(), whole.curve());
  assert.equal(merged.percentiles().count, 297);
  assert.equal(LatencyHistogram.merged([]).percentiles().count, 0);
});

test("latency recorder: resets, and keeps what is beyond its range at its end", () => {
  const recorder = new LatencyRecorder();
  recorder.record(1e12);
  assert.ok(recorder.histogram().percentiles().max >= 599_000_000);
  recorder.reset();
  assert.equal(recorder.histogram().percentiles().count, 0);
});
