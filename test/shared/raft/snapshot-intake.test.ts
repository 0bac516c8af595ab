import assert from "node:assert/strict";
import test from "node:test";
import {
  ChunkVerdict,
  type SnapshotChunk,
  SnapshotIntake,
} from "../../../src/shared/raft/snapshot-intake.ts";

function chunk(fields: Partial<SnapshotChunk>): SnapshotChunk {
  return { leader: 1, term: 5, index: 100, offset: 0, bytes: 10, isLast: false, ...fields };
}

test("snapshot intake: chunks in order complete a snapshot, also after a broken link [raft pitfall 69]", () => {
  const intake = new SnapshotIntake();
  assert.equal(intake.take(chunk({})), ChunkVerdict.TAKEN_AS_FIRST);
  assert.equal(intake.take(chunk({ offset: 10 })), ChunkVerdict.TAKEN);
  assert.equal(intake.take(chunk({ offset: 10 })), ChunkVerdict.OUT_OF_PLACE, "sent again");
  assert.equal(intake.take(chunk({ offset: 40 })), ChunkVerdict.OUT_OF_PLACE, "one is missing");
  assert.equal(intake.expectedOffset, 20);
  assert.equal(intake.take(chunk({ offset: 20, isLast: true })), ChunkVerdict.COMPLETE);
  assert.equal(intake.take(chunk({ offset: 20, isLast: true })), ChunkVerdict.UNKNOWN_SESSION);
});

test("snapshot intake: a chunk from the middle opens nothing [raft pitfall 69]", () => {
  const intake = new SnapshotIntake();
  assert.equal(intake.take(chunk({ offset: 10 })), ChunkVerdict.UNKNOWN_SESSION);
  intake.take(chunk({}));
  for (const other of [{ leader: 2 }, { term: 6 }, { index: 101 }]) {
    assert.equal(intake.take(chunk({ ...other, offset: 10 })), ChunkVerdict.UNKNOWN_SESSION);
  }
  assert.equal(intake.take(chunk({ offset: 10 })), ChunkVerdict.TAKEN, "the open one goes on");
});

test("snapshot intake: a newer session takes the place of an older one, never the reverse", () => {
  const intake = new SnapshotIntake();
  intake.take(chunk({}));
  assert.equal(intake.take(chunk({ index: 99 })), ChunkVerdict.UNKNOWN_SESSION);
  assert.equal(intake.take(chunk({ term: 4, index: 200 })), ChunkVerdict.UNKNOWN_SESSION);
  assert.equal(intake.take(chunk({ index: 101 })), ChunkVerdict.TAKEN_AS_FIRST);
  assert.equal(intake.take(chunk({ term: 6, leader: 2, index: 50 })), ChunkVerdict.TAKEN_AS_FIRST);
  assert.equal(intake.take(chunk({ offset: 10 })), ChunkVerdict.UNKNOWN_SESSION);
});

test("snapshot intake: a whole snapshot may come in one chunk, and come again", () => {
  const intake = new SnapshotIntake();
  assert.equal(intake.take(chunk({ isLast: true })), ChunkVerdict.COMPLETE);
  assert.equal(intake.take(chunk({ isLast: true })), ChunkVerdict.COMPLETE);
});
