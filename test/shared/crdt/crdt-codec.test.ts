import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AssertionError } from "../../../src/shared/base/assert.ts";
import { CausalContext } from "../../../src/shared/crdt/causal-context.ts";
import { decodeCrdt, encodeCrdt } from "../../../src/shared/crdt/crdt-codec.ts";
import { type CrdtMessage, CrdtMessageKind } from "../../../src/shared/crdt/crdt-message.ts";
import { contextOf, crdtMessages, dotsOf } from "./crdt-arbitraries.ts";

/** With contexts as sets, whatever the order in which their replicas were added. */
function plain(message: CrdtMessage): unknown {
  switch (message.kind) {
    case CrdtMessageKind.SUMMARY:
      return { ...message, seen: dotsOf(message.seen), live: dotsOf(message.live) };
    case CrdtMessageKind.DELTA: {
      const { entries, context } = message.delta;
      return { ...message, delta: { entries, context: dotsOf(context) } };
    }
    default:
      return message;
  }
}

/** Header of a message of this kind, and the given bytes. */
function raw(kind: number, ...bytes: number[]): Uint8Array {
  return Uint8Array.from([0x52, 0x63, 1, kind, ...bytes]);
}

const u16 = (value: number) => [value & 255, value >> 8];
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)];
const u48 = (value: number) => [...u32(value), 0, 0];
const run = (place: number, from: number, to: number) => [...u16(place), ...u48(from), ...u48(to)];

test("crdt codec: decoding gives back what was encoded", () => {
  fc.assert(
    fc.property(crdtMessages, (message) => {
      const decoded = decodeCrdt(encodeCrdt(message));
      assert.ok(decoded !== null);
      assert.deepEqual(plain(decoded), plain(message));
    }),
  );
});

test("crdt codec: a message that is cut, or longer than it says, is none", () => {
  fc.assert(
    fc.property(crdtMessages, (message) => {
      const bytes = encodeCrdt(message);
      for (let size = 0; size < bytes.length; size++) {
        assert.equal(decodeCrdt(bytes.subarray(0, size)), null);
      }
      assert.equal(decodeCrdt(Uint8Array.from([...bytes, 0])), null);
    }),
    { numRuns: 50 },
  );
});

test("crdt codec: arbitrary and damaged bytes never throw", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 9 }),
      fc.uint8Array({ maxLength: 200 }),
      (kind, bytes) => {
        decodeCrdt(bytes);
        decodeCrdt(raw(kind, ...bytes));
      },
    ),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(crdtMessages, fc.nat(), fc.nat(255), (message, at, value) => {
      const bytes = encodeCrdt(message);
      bytes[at % bytes.length] = value;
      const decoded = decodeCrdt(bytes);
      if (decoded !== null) assert.ok(encodeCrdt(decoded).length <= bytes.length);
    }),
    { numRuns: 1_000 },
  );
});

test("crdt codec: what breaks a rule is refused", () => {
  const replicas = [...u16(2), 1, 97, 1, 98];
  const runs = (...list: number[][]) => [...u32(list.length), ...list.flat()];
  const delta = (context: number[], ...rest: number[]) => {
    return raw(4, ...u32(1), ...replicas, ...context, ...rest);
  };
  const entry = (sequence: number) => [
    ...u16(0),
    ...u48(sequence),
    ...u48(1),
    ...u16(0),
    ...u16(0),
    ...u32(0),
  ];
  const none = u32(0);
  assert.ok(decodeCrdt(delta(runs(run(0, 1, 3), run(0, 5, 5), run(1, 1, 1)), ...none)) !== null);
  assert.ok(decodeCrdt(delta(runs(run(0, 1, 3)), ...u32(1), ...entry(2))) !== null);
  const cases: Record<string, Uint8Array> = {
    "unknown kind": raw(6),
    "another version": Uint8Array.of(0x52, 0x63, 2, 2),
    "another format": Uint8Array.of(0x52, 0x74, 1, 2),
    "reply flag of 2": raw(3, 2, ...u16(0), ...none, ...none),
    "replica named twice": raw(4, ...u32(1), ...u16(2), 1, 97, 1, 97, ...none, ...none),
    "replica without a name": raw(4, ...u32(1), ...u16(1), 0, ...none, ...none),
    "run of an unknown replica": delta(runs(run(2, 1, 1)), ...none),
    "run that ends before it begins": delta(runs(run(0, 3, 2)), ...none),
    "run from zero": delta(runs(run(0, 0, 2)), ...none),
    "runs that touch": delta(runs(run(0, 1, 3), run(0, 4, 5)), ...none),
    "runs out of order": delta(runs(run(0, 5, 5), run(0, 1, 3)), ...none),
    "replicas out of order": delta(runs(run(1, 1, 1), run(0, 1, 1)), ...none),
    "more runs than bytes": delta(u32(0xffff_ffff), ...none),
    "more entries than bytes": delta(runs(run(0, 1, 3)), ...u32(0xffff_ffff)),
    "entry outside the context": delta(runs(run(0, 1, 3)), ...u32(1), ...entry(4)),
    "entry named twice": delta(runs(run(0, 1, 3)), ...u32(2), ...entry(2), ...entry(2)),
  };
  for (const [name, bytes] of Object.entries(cases)) assert.equal(decodeCrdt(bytes), null, name);
});

test("crdt codec: keys, values and names above their limits are refused, and never written", () => {
  const context = contextOf([["a", 1]]);
  const deltaWith = (key: string, value: Uint8Array): CrdtMessage => {
    const stamp = { physicalMs: 1, counter: 0 };
    const entries = [{ replica: "a", sequence: 1, key, stamp, value }];
    return { kind: CrdtMessageKind.DELTA, index: 1, delta: { entries, context } };
  };
  const largest = encodeCrdt(deltaWith("k".repeat(1_024), new Uint8Array(65_536)));
  assert.ok(decodeCrdt(largest) !== null);
  assert.throws(() => encodeCrdt(deltaWith("k".repeat(1_025), new Uint8Array(0))), AssertionError);
  assert.equal(decodeCrdt(encodeCrdt(deltaWith("k", new Uint8Array(65_537)))), null);
  const nameless = new CausalContext();
  nameless.add("r".repeat(256), 1);
  const summary = {
    kind: CrdtMessageKind.SUMMARY,
    isReplyWanted: false,
    seen: nameless,
    live: nameless,
  };
  assert.throws(() => encodeCrdt(summary), AssertionError);
});
