import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { UNLIMITED } from "../../../src/shared/raft/entry.ts";
import { Inflights } from "../../../src/shared/raft/inflights.ts";
import { Progress, ProgressState } from "../../../src/shared/raft/progress.ts";
import { bytesOf, confOf, TestGroup } from "../../helpers/raft-group.ts";

const LIMITS = { maxInflightMessages: 3, maxInflightBytes: 100 };

test("inflights: a window over messages in index order, as an array would be", () => {
  const send = fc.record({ gap: fc.integer({ min: 1, max: 5 }), bytes: fc.nat(60) });
  const property = fc.property(fc.array(fc.oneof(send, fc.nat(40))), (steps) => {
    const window = new Inflights(3, 100);
    let model: { index: number; bytes: number }[] = [];
    let last = 0;
    for (const step of steps) {
      if (typeof step === "number") {
        window.freeUpTo(step);
        model = model.filter(({ index }) => index > step);
      } else {
        last += step.gap;
        window.add(last, step.bytes);
        model.push({ index: last, bytes: step.bytes });
      }
      const bytes = model.reduce((sum, item) => sum + item.bytes, 0);
      assert.deepEqual([window.count, window.bytes], [model.length, bytes]);
      assert.equal(window.isFull, model.length >= 3 || bytes >= 100);
    }
  });
  fc.assert(property);
});

test("inflights: cleared means empty, and without limits never full", () => {
  const window = new Inflights(UNLIMITED, UNLIMITED);
  for (let index = 1; index <= 1000; index++) window.add(index, 1_000_000);
  assert.equal(window.isFull, false);
  window.clear();
  assert.deepEqual([window.count, window.bytes], [0, 0]);
});

test("progress: whatever comes, match stays below next and never falls [raft pitfall 40]", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("sent"), value: fc.nat(3), hint: fc.constant(0) }),
    fc.record({ kind: fc.constant("acked"), value: fc.nat(30), hint: fc.constant(0) }),
    fc.record({ kind: fc.constant("rejected"), value: fc.nat(30), hint: fc.nat(30) }),
    fc.record({
      kind: fc.constantFrom("probe", "replicate"),
      value: fc.constant(0),
      hint: fc.constant(0),
    }),
  );
  const property = fc.property(fc.array(step), (steps) => {
    const progress = new Progress(1, 10, false, LIMITS);
    for (const { kind, value, hint } of steps) {
      const before = progress.match;
      if (kind === "sent" && !progress.isBlocked) progress.noteSent(value, value);
      // What was never sent cannot be acknowledged.
      if (kind === "acked" && value < progress.next) progress.noteAcknowledged(value);
      if (kind === "rejected") progress.noteRejected(value, hint);
      if (kind === "probe") progress.becomeProbe();
      if (kind === "replicate") progress.becomeReplicate();
      assert.ok(progress.match < progress.next);
      assert.ok(progress.match >= before);
    }
  });
  fc.assert(property);
});

test("progress: behind a snapshot probing begins behind it, without it where the log ended", () => {
  const progress = new Progress(1, 10, false, LIMITS);
  progress.noteAcknowledged(4);
  progress.becomeSnapshot(20);
  assert.deepEqual([progress.isBlocked, progress.next], [true, 21]);
  progress.becomeProbe();
  assert.deepEqual([progress.state, progress.next], [ProgressState.PROBE, 21]);
  progress.becomeSnapshot(30);
  progress.pendingSnapshot = 0;
  progress.becomeProbe();
  assert.equal(progress.next, 5);
});

test("status: says what operators and placement ask for [raft pitfall 83]", () => {
  const group = new TestGroup(confOf([1, 2], { learners: [3] }));
  const leader = group.elect(1);
  group.propose("a", "b");
  leader.core.propose([bytesOf("c")]);
  leader.takeReady();
  const status = leader.core.status();
  assert.deepEqual(
    [status.role, status.term, status.committed, status.applied, status.lastIndex],
    [3, 1, 3, 3, 4],
  );
  assert.deepEqual([status.stableIndex, status.uncommittedBytes], [3, 1]);
  assert.equal(status.lossesTolerated, 0);
  const learner = status.members.find(({ id }) => id === 3);
  assert.deepEqual([learner?.isLearner, learner?.inflightMessages, learner?.match], [true, 1, 3]);
  assert.deepEqual([status.counters.electionsStarted, status.counters.electionsWon], [1, 1]);
  assert.ok(status.counters.appendsSent >= 4);
  assert.deepEqual(group.get(2).core.status().members, [], "only a leader knows them");
});
