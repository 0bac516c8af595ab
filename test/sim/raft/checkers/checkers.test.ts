import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfState, EMPTY_CONF } from "../../../../src/shared/raft/conf-state.ts";
import { type Entry, EntryType } from "../../../../src/shared/raft/entry.ts";
import { DEFAULT_RAFT_OPTIONS } from "../../../../src/shared/raft/options.ts";
import type { RaftStatus } from "../../../../src/shared/raft/status.ts";
import { checkApplying, checkBounds } from "./bounds.ts";
import { Ledger } from "./ledger.ts";
import { hasLoyalQuorum } from "./loyal-quorum.ts";
import { ReplicaWatch } from "./replica-watch.ts";
import type { DiskView, ReplicaView } from "./views.ts";
import { type Invariant, Violation } from "./violation.ts";

const CONF = { ...EMPTY_CONF, voters: [1, 2, 3] };
const JOINT = { ...CONF, outgoing: [3, 4, 5] };

/** A replica whose log has the given terms, entry 1 first. */
function replicaOf(terms: readonly number[], fields: Partial<ReplicaView> = {}): ReplicaView {
  return {
    replica: 1,
    process: 0,
    isLeader: true,
    term: 2,
    vote: 1,
    commitIndex: 0,
    lastIndex: terms.length,
    conf: CONF,
    termAt: (index) => terms[index - 1] ?? 0,
    matchOf: () => 0,
    ...fields,
  };
}

function diskOf(terms: readonly number[], snapshotIndex = 0): DiskView {
  return { hardTerm: 1, snapshotIndex, entryTerm: (index) => terms[index - 1] ?? 0 };
}

function disks(...list: readonly DiskView[]): (replica: number) => DiskView {
  return (replica) => list[replica - 1] ?? diskOf([]);
}

function violates(invariant: Invariant, action: () => void): void {
  assert.throws(action, (error) => error instanceof Violation && error.invariant === invariant);
}

/** Terms 1 and 2 are committed at 1 and 2, by the leader of term 2. */
function committedLedger(): Ledger {
  const ledger = new Ledger(CONF);
  const view = replicaOf([1, 2], { commitIndex: 2 });
  ledger.noteCommit(view, 0, () => diskOf([1, 2]));
  return ledger;
}

test("ledger: a term has one leader, and that in one process", () => {
  const ledger = new Ledger(CONF);
  ledger.noteLeader(replicaOf([], { term: 3 }));
  ledger.noteLeader(replicaOf([], { term: 4, replica: 2 }));
  violates("electionSafety", () => ledger.noteLeader(replicaOf([], { term: 3, replica: 2 })));
  violates("electionSafety", () => ledger.noteLeader(replicaOf([], { term: 4, process: 1 })));
  assert.equal(ledger.leaderCount, 2);
});

test("ledger: a new leader holds what earlier leaders committed, not what later ones did", () => {
  const ledger = committedLedger();
  ledger.noteLeader(replicaOf([1, 2], { term: 3 }));
  ledger.noteLeader(replicaOf([], { term: 1, replica: 2 }));
  violates("leaderCompleteness", () => ledger.noteLeader(replicaOf([1], { term: 4 })));
  violates("leaderCompleteness", () => ledger.noteLeader(replicaOf([1, 1], { term: 5 })));
});

test("ledger: compacted entries need no proof", () => {
  const ledger = committedLedger();
  ledger.noteLeader(replicaOf([0, 2], { term: 3, commitIndex: 1 }));
  assert.equal(ledger.leaderCount, 1);
});

test("ledger: a commit needs the disks of a majority, snapshots included", () => {
  const view = replicaOf([1, 2], { commitIndex: 2 });
  const enough = disks(diskOf([1, 2]), diskOf([], 2), diskOf([]));
  new Ledger(CONF).noteCommit(view, 0, enough);
  const tooFew = disks(diskOf([1, 2]), diskOf([1]), diskOf([1, 1]));
  violates("durableQuorum", () => new Ledger(CONF).noteCommit(view, 0, tooFew));
});

test("ledger: a joint commit needs both majorities [raft pitfall 30]", () => {
  const view = replicaOf([1, 2], { commitIndex: 2, conf: JOINT });
  const full = diskOf([1, 2]);
  const none = diskOf([]);
  new Ledger(JOINT).noteCommit(view, 0, disks(full, none, full, full, none));
  const onlyIncoming = disks(full, full, full, none, none);
  violates("durableQuorum", () => new Ledger(JOINT).noteCommit(view, 0, onlyIncoming));
  const onlyOutgoing = disks(none, none, full, full, full);
  violates("durableQuorum", () => new Ledger(JOINT).noteCommit(view, 0, onlyOutgoing));
});

test("ledger: followers commit what a leader has committed, and nothing else", () => {
  const ledger = committedLedger();
  const follower = { replica: 2, isLeader: false };
  ledger.noteCommit(replicaOf([1, 2], { ...follower, commitIndex: 2 }), 0, disks());
  const other = replicaOf([1, 1], { ...follower, commitIndex: 2 });
  violates("committedAgree", () => ledger.noteCommit(other, 0, disks()));
  const ahead = replicaOf([1, 2, 2], { ...follower, commitIndex: 3 });
  violates("committedAgree", () => ledger.noteCommit(ahead, 2, disks()));
});

test("ledger: replicas apply the same entries and reach the same states", () => {
  const ledger = committedLedger();
  const hashes = { entry: 10, state: 20 };
  ledger.noteApplied(1, { index: 1, term: 1 }, hashes);
  ledger.noteApplied(2, { index: 1, term: 1 }, hashes);
  ledger.expectState(3, 1, 20);
  const entry = { index: 1, term: 1 };
  violates("committedAgree", () => ledger.noteApplied(3, { index: 1, term: 2 }, hashes));
  violates("committedAgree", () => ledger.noteApplied(3, { index: 3, term: 2 }, hashes));
  violates("committedAgree", () => ledger.noteApplied(3, entry, { ...hashes, entry: 11 }));
  violates("sameState", () => ledger.noteApplied(3, entry, { ...hashes, state: 21 }));
  violates("sameState", () => ledger.expectState(3, 1, 21));
});

test("ledger: a command takes effect at one index everywhere", () => {
  const ledger = new Ledger(CONF);
  ledger.noteEffect(1, 1, 5);
  ledger.noteEffect(1, 1, 5);
  ledger.noteEffect(1, 2, 6);
  violates("exactlyOnce", () => ledger.noteEffect(1, 1, 7));
});

test("ledger: every replica has the same configuration at the same index", () => {
  const ledger = new Ledger(CONF);
  ledger.noteConf(1, 4, JOINT);
  ledger.noteConf(2, 4, JOINT);
  ledger.expectConf(3, 3, CONF);
  ledger.expectConf(3, 9, JOINT);
  assert.equal(ledger.conf, JOINT);
  violates("oneConfChange", () => ledger.noteConf(2, 4, CONF));
  violates("oneConfChange", () => ledger.expectConf(2, 9, CONF));
});

function watchOf(ledger = new Ledger(CONF), diskOfReplica = disks()): ReplicaWatch {
  return new ReplicaWatch(ledger, diskOfReplica);
}

test("watch: terms and votes do not go back in one process", () => {
  const follower = { isLeader: false, term: 5, vote: 2 };
  const watch = watchOf();
  watch.noteStart(replicaOf([], follower), []);
  watch.observe(replicaOf([], follower));
  violates("monotoneState", () => watch.observe(replicaOf([], { ...follower, term: 4 })));
  violates("monotoneState", () => watch.observe(replicaOf([], { ...follower, vote: 3 })));
  violates("monotoneState", () => watch.observe(replicaOf([], { ...follower, vote: 0 })));
  watch.observe(replicaOf([], { ...follower, term: 6, vote: 3 }));
  assert.equal(watch.isLeader, false);
});

test("watch: a commit index does not go back in one process", () => {
  const ledger = committedLedger();
  const watch = watchOf(ledger, () => diskOf([1, 2]));
  const view = replicaOf([1, 2], { isLeader: false, commitIndex: 2 });
  watch.noteStart(view, []);
  violates("monotoneState", () => watch.observe({ ...view, commitIndex: 1 }));
});

test("watch: promises bind later processes", () => {
  const watch = watchOf();
  watch.notePromise(1, 7, 2);
  watch.notePromise(1, 7, 2);
  watch.notePromise(1, 8, 0);
  violates("monotoneState", () => watch.notePromise(1, 7, 3));
  violates("monotoneState", () => watch.noteStart(replicaOf([], { term: 7 }), []));
  watch.noteStart(replicaOf([], { term: 8 }), []);
});

function entry(index: number, term: number, type: EntryType = EntryType.NORMAL): Entry {
  return { index, term, type, data: new Uint8Array(0) };
}

test("watch: a leader does not rewrite its own entries", () => {
  const watch = watchOf();
  const leader = replicaOf([2, 2]);
  watch.noteStart(replicaOf([2, 2], { isLeader: false }), []);
  watch.observe(leader);
  watch.noteAppend(leader, [entry(3, 2)], 0);
  violates("leaderAppendOnly", () => watch.noteAppend(leader, [entry(3, 2)], 0));
});

test("watch: a follower may replace what is not committed, and the committed by itself", () => {
  const watch = watchOf(committedLedger(), () => diskOf([1, 2]));
  const view = replicaOf([1, 2, 2], { isLeader: false, commitIndex: 2 });
  watch.noteStart(view, []);
  watch.noteAppend(view, [entry(3, 4)], 0);
  watch.noteAppend(view, [entry(2, 2), entry(3, 4)], 0);
  violates("committedKept", () => watch.noteAppend(view, [entry(2, 3)], 0));
  violates("committedKept", () => watch.noteAppend(view, [entry(1, 1)], 0));
  violates("committedKept", () => watch.noteSnapshot(view, 1));
  watch.noteSnapshot(view, 2);
});

test("watch: a leader appends no configuration while one is not applied", () => {
  const watch = watchOf();
  const leader = replicaOf([2], { commitIndex: 0 });
  watch.noteStart(leader, []);
  watch.noteAppend(leader, [entry(2, 2, EntryType.CONF_CHANGE)], 1);
  watch.noteAppend(leader, [entry(3, 2, EntryType.CONF_CHANGE)], 2);
  const next = [entry(4, 2, EntryType.CONF_CHANGE)];
  violates("oneConfChange", () => watch.noteAppend(leader, next, 2));
});

test("watch: what a leader counts as matched is on that member's disk", () => {
  const leader = replicaOf([1, 2], { matchOf: () => 2 });
  const check = (disk: DiskView) => watchOf(new Ledger(CONF), disks(disk)).checkMatch(leader, 1);
  check(diskOf([1, 2]));
  check(diskOf([], 2));
  check({ ...diskOf([]), hardTerm: 3 });
  violates("durableMatch", () => check(diskOf([1])));
  violates("durableMatch", () => check(diskOf([1, 1])));
});

test("watch: a leader commits what both majorities have, if it is of its term", () => {
  const matches = [0, 2, 2, 1, 2, 1];
  const matchOf = (replica: number) => matches[replica] ?? 0;
  const leader = replicaOf([1, 2], { commitIndex: 1, matchOf });
  const watch = watchOf();
  violates("promptCommit", () => watch.checkCommit(leader));
  watch.checkCommit({ ...leader, commitIndex: 2 });
  watch.checkCommit({ ...leader, isLeader: false });
  watch.checkCommit(replicaOf([1, 1], { commitIndex: 1, matchOf }));
  watch.checkCommit({ ...leader, conf: JOINT });
  matches[5] = 2;
  violates("promptCommit", () => watch.checkCommit({ ...leader, conf: JOINT }));
});

test("loyal quorum: most of both halves have not gone on to another term [raft pitfalls 30, 72]", () => {
  const terms = [2, 3, 3, 1, 2];
  const disksOf = (replica: number) => ({ ...diskOf([]), hardTerm: terms[replica - 1] ?? 0 });
  const isLoyal = (conf: ConfState, term: number) => hasLoyalQuorum(conf, term, disksOf);
  assert.deepEqual([isLoyal(CONF, 2), isLoyal(CONF, 3)], [false, true]);
  assert.equal(isLoyal({ ...CONF, voters: [3, 4, 5] }, 2), true);
  assert.equal(isLoyal({ ...CONF, voters: [3, 4] }, 2), false, "half is not most");
  assert.equal(isLoyal(JOINT, 2), false, "the outgoing half alone is not enough");
  assert.equal(isLoyal({ ...JOINT, voters: [3, 4, 5], outgoing: [1, 2, 3] }, 2), false);
  assert.equal(isLoyal({ ...JOINT, voters: [1, 4, 5] }, 2), true);
});

test("watch: a log reads as it was written last, wherever it is read from [raft pitfall 6]", () => {
  const watch = watchOf();
  const view = replicaOf([1, 2, 2], { isLeader: false });
  watch.noteStart(replicaOf([1], { isLeader: false }), []);
  watch.noteAppend(view, [entry(2, 1), entry(3, 1)], 0);
  watch.noteAppend(view, [entry(2, 2), entry(3, 2)], 0);
  watch.checkWritten(view, 2);
  watch.checkWritten(view, 1);
  violates("ownLog", () => watch.checkWritten(replicaOf([1, 1, 2]), 2));
  watch.noteAppend(view, [entry(1, 2)], 0);
  watch.checkWritten(replicaOf([2, 1, 1]), 2);
  violates("ownLog", () => watch.checkWritten(replicaOf([1, 1, 1]), 1));
  watch.noteSnapshot(view, 4);
  watch.checkWritten(replicaOf([9, 9, 9]), 1);
});

test("bounds: windows, quota and apply back-pressure are obeyed", () => {
  const options = { ...DEFAULT_RAFT_OPTIONS, maxInflightMessages: 2, maxUncommittedBytes: 200 };
  const member = { inflightMessages: 2, inflightBytes: 10 };
  const statusOf = (fields: object, memberFields: object) =>
    ({
      id: 1,
      uncommittedBytes: 100,
      ...fields,
      members: [{ ...member, ...memberFields }],
    }) as unknown as RaftStatus;
  checkBounds(statusOf({}, {}), options);
  const overfull = statusOf({}, { inflightMessages: 3 });
  violates("boundedMemory", () => checkBounds(overfull, options));
  const tooMany = statusOf({}, { inflightBytes: 2 ** 40 });
  violates("boundedMemory", () => checkBounds(tooMany, options));
  const overQuota = statusOf({ uncommittedBytes: 201 }, {});
  violates("boundedMemory", () => checkBounds(overQuota, options));
  checkApplying(1, 9, { ...options, maxApplyingBytes: 10 });
  violates("boundedMemory", () => checkApplying(1, 10, { ...options, maxApplyingBytes: 10 }));
});
