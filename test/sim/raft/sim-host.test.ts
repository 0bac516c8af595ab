import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import { ConfChangeType, isJoint, Transition } from "../../../src/shared/raft/conf-state.ts";
import { type Entry, EntryType } from "../../../src/shared/raft/entry.ts";
import { EventQueue } from "../kernel/event-queue.ts";
import { NO_NODE } from "../kernel/sim-loop.ts";
import { SimRandom } from "../kernel/sim-random.ts";
import type { CrashPoint } from "./crash-points.ts";
import { drawProfile } from "./draw-profile.ts";
import { MILLISECOND, NOBODY, type Profile, SECOND } from "./profile.ts";
import { SimEvent } from "./sim-event.ts";
import { World } from "./world.ts";

/** Three nodes to whom nothing happens. */
function calmWorld(changes: Partial<Profile> = {}): World {
  const profile: Profile = {
    ...drawProfile(SimRandom.of(1, "profile"), { nodeCount: 3 }),
    memberCount: 3,
    network: {
      loss: 0,
      duplication: 0,
      slowShare: 0,
      minimumUs: 100,
      maximumUs: 500,
      slowMaxUs: 500,
      keepsOrder: true,
      congested: NOBODY,
      congestionMaxUs: 0,
    },
    disk: { minimumUs: 50, maximumUs: 100, flushLimit: 1, tornWrite: 0 },
    laggard: NOBODY,
    faults: ["heal"],
    crashPoint: 0,
    ...{ acknowledgeMaxUs: 0, lateRead: 0, fleetingShare: 0, stubbornShare: 0 },
    ...{ maxUncommittedBytes: 2 ** 26, maxApplyingBytes: 2 ** 24 },
    ...{ electionTicks: 10, heartbeatTicks: 2, hasLeaseReads: false },
    restartMaxUs: 10 * MILLISECOND,
    patienceMaxUs: 40 * MILLISECOND,
    ...changes,
  };
  return new World(1, profile, new EventQueue());
}

test("host: a flush that fails ends the process, and is not tried again [raft pitfall 11]", () => {
  const world = calmWorld({ restartMaxUs: 1 });
  const [node] = world.nodes;
  assert.ok(node !== undefined);
  let failures = 0;
  world.crashPoints.isFatal = (point: CrashPoint) => {
    const fails = point === "flush failed" && failures === 0;
    failures += Number(fails);
    return fails;
  };
  const before = world.nodes.map(({ position }) => world.loop.generationOf(position));
  world.run();
  assert.equal(failures, 1);
  const after = world.nodes.map(({ position }) => world.loop.generationOf(position));
  const deaths = after.map((generation, at) => generation - (before[at] ?? 0));
  assert.deepEqual(deaths.sort(), [0, 0, 1], "one process died, and another came after it");
  assert.ok(world.ledger.commitIndex > 10);
});

test("host: after a stall what has come in goes before the tick [raft pitfall 26]", () => {
  const world = calmWorld();
  world.run();
  const { loop } = world;
  const follower = world.nodes.find((node) => node !== world.leader());
  assert.ok(follower !== undefined);
  const resumeAt = loop.now + 5 * world.profile.tickUs;
  const handled: string[] = [];
  loop.pause(follower.position, resumeAt);
  loop.run(
    {
      handleEvent: (kind, node, subject) => {
        world.handleEvent(kind, node, subject);
        if (node !== follower.position) return;
        if (kind === SimEvent.DELIVER) handled.push("message");
        if (kind === SimEvent.TICK) handled.push(`tick at ${loop.now - resumeAt}`);
      },
    },
    resumeAt + 10,
  );
  // The tick finds that it comes late, and lets the others pass.
  const ticks = handled.filter((what) => what !== "message");
  assert.deepEqual(ticks, ["tick at 0", "tick at 1"]);
  assert.equal(handled.at(-1), "tick at 1");
  assert.ok(handled.length > ticks.length);
});

test("host: a torn append says nothing of what it has committed [raft pitfall 9]", () => {
  const [node] = calmWorld().nodes;
  assert.ok(node !== undefined);
  const { image } = node;
  const entryOf = (index: number, term: number) => ({
    ...{ index, term, type: EntryType.NORMAL, data: NO_BYTES },
  });
  const appendOf = (term: number, commit: number, entries: readonly Entry[]) => {
    const hardState = { term, vote: 0, commit, epoch: 0, epochIndex: 0 };
    const rest = { snapshot: null, mustSync: true, messagesAfterPersist: [], ack: null };
    const partCount = entries.length + 1;
    return { kind: "append", append: { hardState, entries, ...rest }, partCount } as const;
  };
  image.write(appendOf(1, 1, [entryOf(1, 1), entryOf(2, 1), entryOf(3, 1)]), 4);
  const torn = appendOf(2, 3, [entryOf(2, 2), entryOf(3, 2)]);
  image.write(torn, 1);
  assert.deepEqual([image.hardTerm, image.hardState.commit, image.term(3)], [2, 1, 1]);
  image.write(torn, 2);
  assert.deepEqual([image.hardState.commit, image.lastIndex(), image.term(2)], [1, 2, 2]);
  image.write(torn, 3);
  assert.deepEqual([image.hardState.commit, image.term(3)], [3, 2]);
});

test("nemesis: cuts between the halves of a joint configuration, and only there", () => {
  const world = calmWorld();
  world.run();
  const { loop, network } = world;
  const leader = world.leader();
  assert.ok(leader !== null);
  const removed = world.nodes.findLast((node) => node !== leader);
  assert.ok(removed !== undefined);
  const isCut = () =>
    world.nodes.filter((node) => network.isBlocked(leader.position, node.position));
  const strike = () => {
    loop.afterForAny(0, SimEvent.FOLLOW_UP, NO_NODE, { kind: "split-joint" });
    loop.run(world, loop.now + MILLISECOND);
  };
  strike();
  assert.deepEqual(isCut(), [], "there is no joint configuration yet");
  leader.proposeConfChange({
    transition: Transition.JOINT_EXPLICIT,
    steps: [{ type: ConfChangeType.REMOVE, replica: removed.replica }],
    context: NO_BYTES,
  });
  loop.run(world, loop.now + SECOND / 10);
  assert.ok(isJoint(leader.conf));
  for (let attempt = 0; attempt < 20 && isCut().length === 0; attempt += 1) strike();
  assert.deepEqual(isCut(), [removed]);
});
