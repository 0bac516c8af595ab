/** The pure parts that a host of many groups needs beside the core. */

import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { CompactionPlan } from "../../../src/shared/raft/compaction.ts";
import {
  assertOutlastsLostFrames,
  decodeHeartbeatFrame,
  HeartbeatCoalescer,
  isCoalescible,
} from "../../../src/shared/raft/heartbeat-frame.ts";
import { MessageType } from "../../../src/shared/raft/message.ts";
import { DEFAULT_RAFT_OPTIONS } from "../../../src/shared/raft/options.ts";
import { Quiescence } from "../../../src/shared/raft/quiescence.ts";
import { TickClock } from "../../../src/shared/raft/tick-clock.ts";
import { bytesOf, confOf, messageOf, TestGroup } from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);

function flushed(coalescer: HeartbeatCoalescer<string>): Map<string, Uint8Array> {
  const frames = new Map<string, Uint8Array>();
  coalescer.flush((node, frame) => frames.set(node, frame));
  return frames;
}

test("heartbeat frame: all groups' heartbeats for a node travel together and arrive as they were", () => {
  const coalescer = new HeartbeatCoalescer<string>();
  const beats = Array.from({ length: 1000 }, (_, group) =>
    messageOf(MessageType.HEARTBEAT, 1, 2, {
      term: group + 1,
      commit: 5,
      context: group,
      epoch: 1,
    }),
  );
  for (const [group, message] of beats.entries()) coalescer.add("b", group, message);
  coalescer.add("c", 7, messageOf(MessageType.HEARTBEAT_RESPONSE, 3, 1, { term: 4, context: 9 }));
  const frames = flushed(coalescer);
  assert.deepEqual([...frames.keys()], ["b", "c"]);
  const items = decodeHeartbeatFrame(frames.get("b")!)!;
  assert.deepEqual(
    items.map(({ message }) => message),
    beats,
  );
  assert.deepEqual(
    items.map(({ group }) => group),
    beats.map((_, group) => group),
  );
  assert.ok(frames.get("b")!.length < 54_000, "some fifty bytes each");
  assert.equal(flushed(coalescer).size, 0, "sent once");
});

test("heartbeat frame: of one group and kind the newest is enough", () => {
  const coalescer = new HeartbeatCoalescer<string>();
  for (const context of [1, 2, 3]) {
    coalescer.add("b", 7, messageOf(MessageType.HEARTBEAT, 1, 2, { term: 1, context }));
  }
  const items = decodeHeartbeatFrame(flushed(coalescer).get("b")!);
  assert.deepEqual(
    items?.map(({ message }) => message.context),
    [3],
  );
});

test("heartbeat frame: carries nothing else, and damaged ones are none", () => {
  const coalescer = new HeartbeatCoalescer<string>();
  const vote = messageOf(MessageType.VOTE, 1, 2, { term: 1 });
  assert.equal(isCoalescible(vote), false);
  assert.throws(() => coalescer.add("b", 1, vote), /heartbeats only/);
  coalescer.add("b", 1, messageOf(MessageType.HEARTBEAT, 1, 2, { term: 1 }));
  const frame = flushed(coalescer).get("b")!;
  const property = fc.property(
    fc.nat(frame.length - 1),
    fc.integer({ min: 1, max: 255 }),
    (at, flip) => {
      const damaged = frame.slice();
      damaged[at]! ^= flip;
      assert.equal(decodeHeartbeatFrame(damaged), null);
      assert.equal(decodeHeartbeatFrame(frame.slice(0, at)), null);
    },
  );
  fc.assert(property);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 99 }), (any) => decodeHeartbeatFrame(any) === null),
  );
});

test("heartbeat frame: an election timeout outlasts five lost ones [raft pitfall 79]", () => {
  assertOutlastsLostFrames(DEFAULT_RAFT_OPTIONS);
  assert.throws(() => assertOutlastsLostFrames({ ...DEFAULT_RAFT_OPTIONS, electionTicks: 9 }));
});

function quiescenceOf(group: TestGroup): Quiescence[] {
  return group.replicas.map(({ core }) => new Quiescence(core, 100));
}

/** The leader's notice after so many idle ticks; null if it stays awake. */
function idle(quiescence: Quiescence, ticks: number, areAllAlive = true) {
  for (let i = 0; i < ticks; i++) {
    const notice = quiescence.tick(areAllAlive);
    if (notice !== null) return notice;
  }
  return null;
}

test("quiescence: an idle group sleeps, the followers when they have exactly the same", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.propose("x");
  group.tick(4);
  const [leader, second, third] = quiescenceOf(group);
  assert.equal(idle(leader!, 99), null);
  const notice = idle(leader!, 1);
  assert.deepEqual(notice, { from: 1, epoch: 0, term: 1, index: 2 });
  assert.equal(leader!.isQuiesced, true);
  assert.equal(second!.offer(notice!, true), true);
  assert.equal(third!.offer({ ...notice!, index: 3 }, true), false);
  assert.equal(third!.offer({ ...notice!, term: 2 }, true), false);
  assert.equal(third!.offer({ ...notice!, epoch: 1 }, true), false);
  assert.equal(third!.offer({ ...notice!, from: 2 }, true), false);
});

test("quiescence: not with work left, members behind or doubtful, or by a follower", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  const [leader, follower] = quiescenceOf(group);
  assert.equal(idle(leader!, 200, false), null, "membership doubts a member");
  assert.equal(idle(follower!, 200), null);
  group.leader.core.propose([bytesOf("x")]);
  assert.equal(idle(leader!, 200), null, "not applied yet");
  group.isolate(3);
  group.settle();
  assert.equal(idle(leader!, 200), null, "3 lacks an entry");
  group.heal();
  group.tick(4);
  group.leader.core.readIndex(1);
  assert.equal(idle(leader!, 200), null, "a read waits");
  group.settle();
  assert.notEqual(idle(leader!, 200), null);
});

test("quiescence: not before every member has said that it knows what is committed", () => {
  const group = new TestGroup(confOf([1, 2], { learners: [3] }));
  group.elect(1);
  group.isLost = ({ to, commit }) => to === 3 && commit === 2;
  group.propose("x");
  const { core } = group.get(3);
  assert.deepEqual(
    [core.lastIndex, core.committed],
    [2, 1],
    "the learner has it, and does not know",
  );
  const [leader] = quiescenceOf(group);
  assert.equal(idle(leader!, 200), null);
  group.isLost = () => false;
  group.tick(4);
  assert.equal(core.committed, 2, "a heartbeat told it");
  assert.notEqual(idle(leader!, 200), null);
});

test("quiescence: anything wakes it, and idleness counts anew", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.tick(4);
  const [leader] = quiescenceOf(group);
  assert.notEqual(idle(leader!, 100), null);
  leader!.wake();
  assert.equal(leader!.isQuiesced, false);
  assert.equal(idle(leader!, 99), null);
});

test("quiescence: a member's new process says first what it knows to be committed", () => {
  const group = new TestGroup(confOf([1, 2], { learners: [3] }));
  group.elect(1);
  group.propose("x");
  group.tick(4);
  const [leader] = quiescenceOf(group);
  assert.equal(idle(leader!, 99), null);
  group.get(3).restart();
  leader!.wake();
  assert.equal(idle(leader!, 200), null, "no heartbeat has reached it yet");
  group.tick(4);
  assert.notEqual(idle(leader!, 200), null);
});

test("quiescence: a leader sends a round of heartbeats before it may sleep", () => {
  const group = new TestGroup(THREE);
  const { core } = group.get(1);
  assert.throws(() => new Quiescence(core, core.heartbeatTicks), /a round of heartbeats/);
});

test("quiescence: a dead leader's followers are woken by membership, and elect another [raft pitfall 80]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.tick(4);
  const all = quiescenceOf(group);
  const notice = idle(all[0]!, 100)!;
  for (const follower of all.slice(1)) follower.offer(notice, true);
  group.isolate(1);
  const tickAwake = () => {
    group.replicas.forEach(({ core }, at) => {
      if (!all[at]!.isQuiesced) core.tick(0);
    });
    group.settle();
  };
  for (let i = 0; i < 50; i++) tickAwake();
  assert.equal(group.leader.id, 1, "asleep, nobody misses it");
  // Membership suspects node 1.
  for (const follower of all.slice(1)) follower.wake();
  for (let i = 0; i < 40; i++) tickAwake();
  assert.notEqual(group.leader.id, 1);
});

test("tick clock: one tick per period, one after a stall [raft pitfall 26]", () => {
  const clock = new TickClock(100, 0.25, 0);
  assert.equal(clock.nextDeadlineMs, 25);
  assert.equal(clock.takeTick(24), false);
  assert.equal(clock.takeTick(25), true);
  assert.equal(clock.takeTick(26), false, "a spurious call does nothing");
  assert.equal(clock.takeTick(5_030), true);
  assert.equal(clock.takeTick(5_031), false, "49 missed ticks are forgotten");
  assert.equal(clock.nextDeadlineMs, 5_125, "in phase as before");
});

test("compaction: long logs are cut, what lately came stays", () => {
  const limits = { trailingEntries: 10, maxEntries: 20, maxBytes: 1000, patienceTicks: 3 };
  const all = { lowestActiveMatch: Number.POSITIVE_INFINITY, bytes: 0, firstIndex: 1 };
  const plan = new CompactionPlan(limits);
  assert.equal(plan.tick({ ...all, applied: 20 }), 0);
  assert.equal(plan.tick({ ...all, applied: 21 }), 11);
  assert.equal(plan.tick({ ...all, applied: 8, bytes: 1001 }), 4, "few, but large");
  assert.equal(plan.tick({ ...all, firstIndex: 9, applied: 8, bytes: 1001 }), 0, "nothing there");
});

test("compaction: waits for members that are just behind, not for ever [raft pitfall 70]", () => {
  const limits = { trailingEntries: 10, maxEntries: 20, maxBytes: 1000, patienceTicks: 3 };
  const plan = new CompactionPlan(limits);
  const extent = { firstIndex: 1, applied: 30, bytes: 0, lowestActiveMatch: 5 };
  const ticks = [1, 2, 3, 4].map(() => plan.tick(extent));
  assert.deepEqual(ticks, [0, 0, 0, 20]);
  assert.equal(plan.tick({ ...extent, lowestActiveMatch: 20 }), 20, "it has what would go");
});
