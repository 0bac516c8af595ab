import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { BALLAST_PIECE_BYTES, Ballast } from "../../../src/workers/store/ballast.ts";
import { scratchFolder } from "./store-fixtures.ts";

const WHOLE = 16 * BALLAST_PIECE_BYTES;

test("ballast: is there on the disk, is given piece by piece, and made whole again", async (t) => {
  const path = join(scratchFolder(t), "ballast");
  const ballast = new Ballast(path);
  assert.equal(ballast.give(), false, "nothing is held yet");
  await ballast.fill();
  assert.ok(ballast.isComplete);
  const { size, blocks } = statSync(path);
  assert.equal(size, WHOLE);
  assert.ok(blocks * 512 >= WHOLE, "and it is no hole");
  for (let left = 15; left >= 0; left--) {
    assert.equal(ballast.give(), true);
    assert.equal(statSync(path).size, left * BALLAST_PIECE_BYTES);
  }
  assert.equal(ballast.give(), false);
  await ballast.fill();
  assert.ok(ballast.isComplete);
  ballast.close();
});

test("ballast: what an earlier process left is held, as far as it is whole pieces", async (t) => {
  const path = join(scratchFolder(t), "ballast");
  writeFileSync(path, Buffer.alloc(2.5 * BALLAST_PIECE_BYTES, 1));
  const ballast = new Ballast(path);
  assert.ok(ballast.give() && ballast.give());
  assert.equal(ballast.give(), false);
  ballast.close();
});

test("ballast: given up while it is filled, the filling stops", async (t) => {
  const path = join(scratchFolder(t), "ballast");
  const ballast = new Ballast(path);
  await ballast.fill();
  while (ballast.give());
  const filled = ballast.fill();
  while (!ballast.give()) await new Promise((resolve) => setImmediate(resolve));
  await filled;
  assert.ok(!ballast.isComplete);
  assert.equal(statSync(path).size % BALLAST_PIECE_BYTES, 0);
  await ballast.fill();
  assert.ok(ballast.isComplete);
  const again = ballast.fill();
  ballast.close();
  await again;
  assert.equal(statSync(path).size, WHOLE);
});
