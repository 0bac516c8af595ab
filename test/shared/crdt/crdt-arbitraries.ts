/** Random contexts, entries and messages for property tests. */

import fc from "fast-check";
import { CausalContext } from "../../../src/shared/crdt/causal-context.ts";
import { type CrdtMessage, CrdtMessageKind } from "../../../src/shared/crdt/crdt-message.ts";
import type { Delta, OrMapEntry } from "../../../src/shared/crdt/delta.ts";

const REPLICAS = ["a", "b", "ç/1700000000000"];

/** Dots as [replica, sequence]; small numbers, so that they collide and touch. */
export const dotLists = fc.array(
  fc.tuple(fc.constantFrom(...REPLICAS), fc.integer({ min: 1, max: 25 })),
  {
    maxLength: 40,
  },
);

export function contextOf(dots: readonly (readonly [string, number])[]): CausalContext {
  const context = new CausalContext();
  for (const [replica, sequence] of dots) context.add(replica, sequence);
  return context;
}

/** "replica:sequence" of every dot. */
export function dotsOf(context: CausalContext): Set<string> {
  const dots = new Set<string>();
  for (const replica of context.replicas()) {
    for (const { from, to } of context.runsOf(replica)) {
      for (let sequence = from; sequence <= to; sequence++) dots.add(`${replica}:${sequence}`);
    }
  }
  return dots;
}

const stamps = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.nat(0xffff))
  .map(([physicalMs, counter]) => ({ physicalMs, counter }));

const keys = fc
  .string({ unit: "grapheme", maxLength: 30 })
  .filter((text) => !text.includes("\u0000"));

const deltas: fc.Arbitrary<Delta> = fc
  .tuple(
    dotLists,
    fc.array(fc.tuple(stamps, keys, fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }),
  )
  .map(([dots, contents]) => {
    const context = contextOf(dots);
    const named = [...dotsOf(context)];
    const entries = contents
      .slice(0, named.length)
      .map(([stamp, key, value], index): OrMapEntry => {
        const [replica, sequence] = named[index]!.split(":") as [string, string];
        return { replica, sequence: Number(sequence), key, stamp, value };
      });
    return { entries, context };
  });

const u32 = fc.nat(0xffff_ffff);

export const crdtMessages: fc.Arbitrary<CrdtMessage> = fc.oneof(
  fc.tuple(u32, u32, u32).map(([liveCount, sumA, sumB]) => {
    return { kind: CrdtMessageKind.PROBE, digest: { liveCount, sumA, sumB } };
  }),
  fc.constant({ kind: CrdtMessageKind.SAME }),
  fc.tuple(fc.boolean(), dotLists, dotLists).map(([isReplyWanted, seen, live]) => {
    const kind = CrdtMessageKind.SUMMARY;
    return { kind, isReplyWanted, seen: contextOf(seen), live: contextOf(live) };
  }),
  fc.tuple(u32, deltas).map(([index, delta]) => ({ kind: CrdtMessageKind.DELTA, index, delta })),
  u32.map((index) => ({ kind: CrdtMessageKind.ACK, index })),
);
