/**
 * Asks a leader for a random change of members: somebody in, out, up or down, one or several at
 * once, in any of the three ways; or to leave a joint configuration that does not leave by itself.
 * Whether it may be done now is for the core to decide.
 */

import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import {
  type ConfChange,
  ConfChangeType,
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
  const change = leader.isJoint ? LEAVE : { transition, steps, context: NO_BYTES };
  leader.proposeConfChange(change);
}
