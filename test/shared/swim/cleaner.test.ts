import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { electCleaner } from "../../../src/shared/swim/cleaner.ts";

const IDS = Array.from({ length: 20 }, (_none, index) => `node-${index}`);

test("cleaner: everybody elects the same one, in whatever order they list the candidates", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(IDS, { minLength: 20 }), fc.string(), (order, subject) => {
      assert.equal(electCleaner(subject, order), electCleaner(subject, IDS));
    }),
  );
  assert.equal(electCleaner("dead", []), null);
});

test("cleaner: when a candidate goes, only its own charges change hands", () => {
  fc.assert(
    fc.property(fc.nat(19), fc.string(), (gone, subject) => {
      const before = electCleaner(subject, IDS);
      const after = electCleaner(
        subject,
        IDS.filter((_id, index) => index !== gone),
      );
      if (before !== IDS[gone]) assert.equal(after, before);
      else assert.notEqual(after, before);
    }),
  );
});

test("cleaner: the work is spread over all", () => {
  const charges = new Map<string | null, number>();
  for (let i = 0; i < 4_000; i++) {
    const cleaner = electCleaner(`subject-${i}`, IDS);
    charges.set(cleaner, (charges.get(cleaner) ?? 0) + 1);
  }
  assert.equal(charges.size, 20);
  // 200 on average, standard deviation 14.
  for (const count of charges.values()) assert.ok(count > 130 && count < 270, `${count}`);
});
