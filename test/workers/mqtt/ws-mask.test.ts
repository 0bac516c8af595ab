import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { unmask } from "../../../src/workers/mqtt/ws-mask.ts";

/** One buffer for all runs, as all sockets of a worker share one: the way with a view. */
const shared = Buffer.alloc(2000);

test("websocket mask: taken off in place and while moving, whatever the offsets and sizes", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.integer(),
      fc.nat(600),
      fc.nat(40),
      fc.nat(1000),
      (isShared, mask, size, to, distance) => {
        const from = to + distance;
        const bytes = isShared ? shared : Buffer.alloc(2000);
        for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 7) >> 1;
        const before = Buffer.from(bytes);
        const key = Buffer.alloc(4);
        key.writeInt32BE(mask);
        const next = unmask(bytes, from, to, size, mask);
        const plain = before.subarray(from, from + size).map((byte, at) => byte ^ key[at & 3]!);
        assert.ok(bytes.subarray(to, to + size).equals(plain));
        assert.ok(bytes.subarray(0, to).equals(before.subarray(0, to)), "nothing in front");
        const behind = Math.max(from, to) + size;
        assert.ok(bytes.subarray(behind).equals(before.subarray(behind)), "nothing behind");
        const nextKey = Buffer.alloc(4);
        nextKey.writeInt32BE(next);
        assert.deepEqual(nextKey, Buffer.from([0, 1, 2, 3].map((at) => key[(at + size) & 3]!)));
      },
    ),
    { numRuns: 1000 },
  );
});
