import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { openSealedState, writeSealedState } from "../../../src/workers/store/state-seal.ts";

const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 });

function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const writer = new RecordWriter();
  writeSealedState(writer, key, value);
  return writer.bytes.slice(0, writer.size);
}

test("sealed state: what was sealed under a key is found under it", () => {
  fc.assert(
    fc.property(bytes, fc.uint8Array({ maxLength: 200 }), (key, value) => {
      assert.deepEqual(openSealedState(key, seal(key, value)), value);
    }),
  );
});

test("sealed state: a flipped bit of the value, of the checksum or of the key is seen", () => {
  fc.assert(
    fc.property(bytes, bytes, fc.nat(), fc.nat(7), (key, value, place, bit) => {
      const stored = seal(key, value);
      const rotten = place % (stored.length + key.length);
      const target = rotten < stored.length ? stored : key;
      target[(rotten % stored.length) % target.length]! ^= 1 << bit;
      assert.equal(openSealedState(key, stored), null);
    }),
  );
});

test("sealed state: a value that was cut off is seen, down to nothing", () => {
  const key = Uint8Array.of(1, 2, 3);
  const stored = seal(key, Uint8Array.of(7, 7, 7, 7, 7, 7));
  for (let size = 0; size < stored.length; size++) {
    assert.equal(openSealedState(key, stored.subarray(0, size)), null);
  }
});
