import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HASH_BYTES, putHash, stableHash } from "../../../src/shared/range/stable-hash.ts";

/** The definition, over UTF-8 bytes. */
function byDefinition(tenantId: string, name: string): number {
  let hash = 0x811c9dc5;
  for (const text of [tenantId, name]) {
    for (const byte of Buffer.from(text, "utf8")) hash = Math.imul(hash ^ byte, 0x01000193);
    hash = Math.imul(hash, 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash >>> 0;
}

test("stable hash: stored values, which may never change", () => {
  const cases = [
    ["default", "client-1", 0xf027f2d5],
    ["default", "client-2", 0xb039e7cc],
    ["", "", 0x18b6b1bd],
    ["t", "äöü/日本/😀", 0x89a593e4],
  ] as const;
  for (const [tenant, name, hash] of cases) assert.equal(stableHash(tenant, name), hash, name);
});

test("stable hash: is that of the UTF-8 bytes, whatever the text", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(text, text, (tenantId, name) => {
      assert.equal(stableHash(tenantId, name), byDefinition(tenantId, name));
    }),
  );
});

test("stable hash: texts that only meet elsewhere differ", () => {
  assert.notEqual(stableHash("a", "bc"), stableHash("ab", "c"));
});

test("stable hash: numbered names spread evenly over slices of the hash space", () => {
  const counts = new Array<number>(8).fill(0);
  for (let i = 0; i < 8000; i++) counts[stableHash("default", `device-${i}`) >>> 29]! += 1;
  for (const count of counts) assert.ok(count > 880 && count < 1120, counts.join(" "));
});

test("stable hash: keys sort by it", () => {
  const bytes = new Uint8Array(HASH_BYTES + 2);
  putHash(bytes, 1, 0x01_02_fe_ff);
  assert.deepEqual([...bytes], [0, 1, 2, 0xfe, 0xff, 0]);
});
