import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import test from "node:test";
import {
  DiskSpaceGate,
  DiskSpaceWatch,
  type ReadFreeBytes,
} from "../../src/platform/disk-space.ts";

test("disk space: full below the reserve, until twice the reserve is free", () => {
  const gate = new DiskSpaceGate(100);
  const seen = [1000, 100, 99, 100, 199, 200, 150, 99].map((freeBytes) => {
    gate.update(freeBytes);
    return gate.isFull;
  });
  assert.deepEqual(seen, [false, false, true, true, true, false, false, true]);
});

test("disk space: a disk that is nearly full is watched more closely", () => {
  const gate = new DiskSpaceGate(100);
  assert.ok(gate.pollMs(1000) < gate.pollMs(10_000));
});

test("disk space: changes are reported once, errors change nothing", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const answers: (number | Error)[] = [1000, 50, 40, new Error("gone"), 150, 250];
  const readFreeBytes: ReadFreeBytes = (path, done) => {
    assert.equal(path, "/data");
    const answer = answers.shift();
    if (answer instanceof Error) done(answer, 0);
    else done(null, answer ?? 0);
  };
  const reported: [boolean, number][] = [];
  const watch = new DiskSpaceWatch({
    path: "/data",
    reserveBytes: 100,
    changed: (isFull, freeBytes) => reported.push([isFull, freeBytes]),
    readFreeBytes,
  });
  const seen = Array.from({ length: 5 }, () => {
    t.mock.timers.tick(100);
    return [watch.isFull, watch.freeBytes];
  });
  assert.deepEqual(seen, [
    [true, 50],
    [true, 40],
    [true, 40],
    [true, 150],
    [false, 250],
  ]);
  assert.deepEqual(reported, [
    [true, 50],
    [false, 250],
  ]);
  watch.stop();
  t.mock.timers.tick(10_000);
  assert.equal(watch.freeBytes, 250);
});

test("disk space: full as long as a store finds none, whatever the system says is free", () => {
  const reported: boolean[] = [];
  const free: { bytes: number } = { bytes: 1000 };
  const watch = new DiskSpaceWatch({
    path: "/data",
    reserveBytes: 100,
    changed: (isFull) => reported.push(isFull),
    readFreeBytes: (_path, done) => done(null, free.bytes),
  });
  watch.storeSpace(1, false);
  watch.storeSpace(1, true);
  watch.storeSpace(2, true);
  watch.storeSpace(1, false);
  assert.deepEqual([watch.isFull, reported], [true, [true]]);
  watch.storeSpace(2, false);
  assert.deepEqual([watch.isFull, reported], [false, [true, false]]);
  watch.stop();
});

test("disk space: the system's own answer is a number of bytes", async () => {
  const watch = new DiskSpaceWatch({ path: tmpdir(), reserveBytes: 1 });
  while (watch.freeBytes === Number.POSITIVE_INFINITY) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(Number.isSafeInteger(watch.freeBytes) && watch.freeBytes >= 0);
  watch.stop();
});
