import assert from "node:assert/strict";
import { test } from "node:test";
import { SLOW_COMMIT_MS, SlowCommits } from "../../../src/workers/ranges/slow-commits.ts";

/** Looks four times a second, as a worker does that has nothing else to do. */
class Setup {
  nowMs = 1000;
  readonly told: number[] = [];
  readonly commits = new SlowCommits(
    () => this.nowMs,
    (waitingMs) => this.told.push(waitingMs),
  );

  pass(milliseconds: number): void {
    for (const endMs = this.nowMs + milliseconds; this.nowMs < endMs; this.commits.look()) {
      this.nowMs += 250;
    }
  }
}

test("slow commits: one that does not end is told of again and again", () => {
  const setup = new Setup();
  setup.commits.began();
  setup.pass(SLOW_COMMIT_MS - 250);
  assert.deepEqual(setup.told, []);
  setup.pass(1.5 * SLOW_COMMIT_MS);
  assert.deepEqual(setup.told, [SLOW_COMMIT_MS, 2 * SLOW_COMMIT_MS]);
});

test("slow commits: many in a row, each of them quick, are not slow", () => {
  const setup = new Setup();
  setup.commits.began();
  for (let count = 0; count < 20; count++) {
    setup.pass(1000);
    setup.commits.began();
    setup.pass(1000);
    setup.commits.ended();
  }
  assert.deepEqual(setup.told, []);
});

test("slow commits: the one behind a slow one has its own time", () => {
  const setup = new Setup();
  setup.commits.began();
  setup.pass(1000);
  setup.commits.began();
  setup.pass(SLOW_COMMIT_MS - 1000);
  assert.deepEqual(setup.told, [SLOW_COMMIT_MS]);
  setup.commits.ended();
  setup.pass(1000);
  assert.deepEqual(setup.told, [SLOW_COMMIT_MS, SLOW_COMMIT_MS]);
});

test("slow commits: while the process was stopped, none was slow", () => {
  const setup = new Setup();
  setup.commits.began();
  setup.nowMs += 3_600_000;
  setup.commits.look();
  assert.deepEqual(setup.told, []);
});
