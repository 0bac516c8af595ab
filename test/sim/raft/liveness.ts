/**
 * After the trouble: picks nodes that can form a quorum, ends all faults among them for good, and
 * demands that the group comes back. Safety alone is cheap, a group that does nothing is safe.
 *
 * Core: all nodes, or, where members never changed, a bare majority while the others stay cut off,
 * some of them in one direction only, so that they can disturb but not help.
 *
 * Demanded within the limit: a leader, an operation done by every client, no operation left
 * hanging, no joint configuration that should leave itself, and equal states on all members of the
 * core.
 */

import { allMembers } from "../../../src/shared/raft/conf-state.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import { violate } from "./checkers/violation.ts";
import { MEMBER_FAULTS, MILLISECOND, SECOND } from "./profile.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

const CALM_NETWORK = {
  // What gets lost must be sent again, also when nobody has anything new to say.
  loss: 0.02,
  duplication: 0,
  slowShare: 0,
  minimumUs: 100,
  maximumUs: 2 * MILLISECOND,
  slowMaxUs: 2 * MILLISECOND,
  keepsOrder: false,
  congested: -1,
  congestionMaxUs: 0,
};
const CALM_DISK = {
  minimumUs: 50,
  maximumUs: 2 * MILLISECOND,
  flushLimit: Number.POSITIVE_INFINITY,
  tornWrite: 0,
};

const STEP_US = 100 * MILLISECOND;
/** Packets and pauses from before are over after this. */
const SETTLING_US = 4 * SECOND;
/**
 * An election takes up to two timeouts of up to 1 s each and may be split a few times; then a
 * follower may need a snapshot, and a slow client its patience. Ten times that is no bad luck.
 */
const LIMIT_US = 60 * SECOND;
const ALL_NODES_SHARE = 0.5;
const LEADER_LAST_SHARE = 0.5;
const LAST_WISH_SHARE = 0.3;

export function demandRecovery(world: World, random: SimRandom): void {
  const core = pickCore(world, random);
  calm(world, core, random);
  const outsider = world.nodes.find((node) => !core.includes(node));
  // The leader should lead no longer, and cannot reach the one that should.
  const hasLastWish = random.chance(LAST_WISH_SHARE);
  if (hasLastWish && outsider !== undefined) world.leader()?.transferLeadership(outsider.replica);
  world.loop.run(world, world.loop.now + SETTLING_US);
  const before = world.clients.map(({ commandCount }) => commandCount);
  const hasProgress = () =>
    world.leader() !== null &&
    world.clients.every(({ commandCount }, number) => commandCount > (before[number] as number));
  waitFor(world, hasProgress, () => `no progress: ${describe(world)}`);
  const isLeft = () => !world.ledger.conf.autoLeave;
  waitFor(world, isLeft, () => `a joint configuration is never left: ${describe(world)}`);
  world.isOpen = false;
  const isSettled = () => world.clients.every(({ operation }) => operation === null);
  waitFor(world, isSettled, () => `an operation never ends: ${describe(world)}`);
  const members = () => core.filter(({ replica }) => isMember(world, replica));
  const isEqual = () =>
    members().every((node) => node.image.appliedIndex === world.ledger.commitIndex);
  waitFor(world, isEqual, () => `replicas stay behind: ${describe(world)}`);
  // Equal index means equal state: the ledger has compared every step on the way (invariant 12).
}

function pickCore(world: World, random: SimRandom): readonly SimNode[] {
  const takesAll = random.chance(ALL_NODES_SHARE);
  const { faults } = world.profile;
  const hasStableMembers = !MEMBER_FAULTS.some((fault) => faults.includes(fault));
  if (takesAll || !hasStableMembers) return world.nodes;
  const members = world.nodes.slice(0, world.profile.memberCount);
  random.shuffle(members);
  // A leader that is cut off, and does not know, is the harder case.
  if (random.chance(LEADER_LAST_SHARE)) {
    const leader = world.leader();
    members.sort((left, right) => Number(left === leader) - Number(right === leader));
  }
  return members.slice(0, (members.length >>> 1) + 1);
}

function calm(world: World, core: readonly SimNode[], random: SimRandom): void {
  world.isTroubled = false;
  world.crashPoints.probability = 0;
  world.network.heal();
  world.network.profile = CALM_NETWORK;
  for (const node of world.nodes) node.disk.profile = CALM_DISK;
  world.acknowledgeMaxUs = Math.min(world.acknowledgeMaxUs, CALM_DISK.maximumUs);
  for (const node of core) world.restart(node);
  for (const outsider of world.nodes) {
    if (!core.includes(outsider)) cutOff(world, core, outsider, random);
  }
  for (const client of world.clients) {
    client.candidates = core.map(({ replica }) => replica);
    // A removed member knows no leader, and one that it passes commands on to may be gone, too.
    client.stubbornShare = 0;
  }
}

/** Nobody hears it, or it hears nobody, or both. */
function cutOff(world: World, core: readonly SimNode[], outsider: SimNode, random: SimRandom) {
  const { hasPreVote, hasCheckQuorum } = world.profile;
  // Who hears nobody campaigns for ever; only with both can a group stand that (Raft thesis §9.6).
  const mayShout = hasPreVote && hasCheckQuorum;
  const fate = random.pick(mayShout ? ["mute", "gone", "deaf"] : ["mute", "gone"]);
  for (const { position } of core) {
    if (fate !== "deaf") world.network.block(outsider.position, position);
    if (fate !== "mute") world.network.block(position, outsider.position);
  }
}

function waitFor(world: World, isReached: () => boolean, describeFailure: () => string): void {
  const limit = world.loop.now + LIMIT_US;
  while (!isReached()) {
    if (world.loop.now >= limit) violate("liveness", describeFailure());
    world.loop.run(world, world.loop.now + STEP_US);
  }
}

function isMember(world: World, replica: number): boolean {
  return allMembers(world.ledger.conf).includes(replica);
}

function describe(world: World): string {
  const nodes = world.nodes.map((node) => node.describe()).join("; ");
  return `commit ${world.ledger.commitIndex}; ${nodes}`;
}
