/**
 * Asks a leader for a random change of members: somebody in, out, up or down, one or several at
 * once, in any of the three ways; or to leave a joint configuration that does not leave by itself.
 * Whether it may be done now is for the core to decide.
 */

import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import {
  type ConfChange,
  ConfChangeType,
  isJoint,
  Transition,
} from "../../../src/shared/raft/conf-state.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import type { World } from "./world.ts";

const STEP_TYPES = [
  ConfChangeType.ADD_VOTER,
  ConfChangeType.ADD_VOTER,
  ConfChangeType.ADD_LEARNER,
  ConfChangeType.REMOVE,
];
const TRANSITIONS = [Transition.AUTO, Transition.JOINT_IMPLICIT, Transition.JOINT_EXPLICIT];
const LEAVE: ConfChange = { transition: Transition.AUTO, steps: [], context: NO_BYTES };

export function changeMembers(world: World, random: SimRandom): void {
  const count = random.pick([1, 1, 1, 2, 3]);
  const steps = Array.from({ length: count }, () => ({
    type: random.pick(STEP_TYPES),
    replica: random.pick(world.nodes).replica,
  }));
  const transition = random.pick(TRANSITIONS);
  // Nothing is drawn behind this line, so that the state does not shift later draws.
  const leader = world.leader();
  if (leader === null) return;
  const change = isJoint(leader.conf) ? LEAVE : { transition, steps, context: NO_BYTES };
  leader.proposeConfChange(change);
}

/**
 * Asks for voters that have as little to do with the present ones as chance will have it, in one
 * step: the joint configurations on the way have halves that could decide without each other.
 * Returns who is to vote then; nobody if nothing was asked for.
 */
export function replaceMembers(world: World, random: SimRandom): readonly number[] {
  const nodes = [...world.nodes];
  random.shuffle(nodes);
  // The fewer come in, the more of those who go out can do without them.
  const limit = random.pick([nodes.length, (nodes.length + 1) >>> 1]);
  const targets = nodes.slice(0, random.between(1, limit)).map(({ replica }) => replica);
  const transition = random.pick(TRANSITIONS);
  const removal = random.pick([ConfChangeType.REMOVE, ConfChangeType.ADD_LEARNER]);
  const leader = world.leader();
  if (leader === null || isJoint(leader.conf)) return [];
  const { voters } = leader.conf;
  const added = targets.filter((replica) => !voters.includes(replica));
  const removed = voters.filter((replica) => !targets.includes(replica));
  if (added.length + removed.length === 0) return [];
  const steps = [
    ...added.map((replica) => ({ type: ConfChangeType.ADD_VOTER, replica })),
    ...removed.map((replica) => ({ type: removal, replica })),
  ];
  leader.proposeConfChange({ transition, steps, context: NO_BYTES });
  return targets;
}
