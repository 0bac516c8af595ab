/**
 * Applies changes to a configuration (Raft thesis §4.3): simple ones that move at most one voter,
 * and joint ones in two stages. Pure: a configuration in, a configuration or a refusal out. Who
 * calls it and when (on apply, never on append) is reconfigure.ts's matter.
 */

import {
  type ConfChange,
  type ConfChangeStep,
  ConfChangeType,
  type ConfState,
  EMPTY_CONF,
  entersJoint,
  isJoint,
  leavesJoint,
  sortedUnion,
  Transition,
} from "./conf-state.ts";
import { NO_REPLICA, type ReplicaId } from "./entry.ts";

export type ConfResult =
  | { readonly conf: ConfState; readonly refusal: null }
  | { readonly conf: null; readonly refusal: string };

/** What an applied CONF_CHANGE entry makes of `conf`. */
export function applyConfChangeTo(conf: ConfState, change: ConfChange): ConfResult {
  if (change.transition === Transition.RESET) return resetConf(change.steps);
  if (leavesJoint(change)) return leaveJoint(conf);
  if (!entersJoint(change)) return changeSimply(conf, change.steps);
  return enterJoint(conf, change.transition !== Transition.JOINT_EXPLICIT, change.steps);
}

/** At most one voter more or less, learners at will; refused while joint (raft pitfall 53). */
export function changeSimply(conf: ConfState, steps: readonly ConfChangeStep[]): ConfResult {
  if (isJoint(conf)) return refuse("can't apply simple config change in joint config");
  const draft = new ConfDraft(conf);
  for (const step of steps) draft.take(step);
  if (draft.voters.size === 0) return refuse("removed all voters"); // raft pitfall 56
  if (differences(conf.voters, draft.voters) > 1) {
    return refuse("more than one voter changed without entering joint config");
  }
  return accept(draft.finish(false));
}

/** Keeps the present voters as the outgoing half and applies `steps` to the incoming one. */
export function enterJoint(
  conf: ConfState,
  autoLeave: boolean,
  steps: readonly ConfChangeStep[],
): ConfResult {
  if (isJoint(conf)) return refuse("config is already joint"); // raft pitfall 53
  if (conf.voters.length === 0) return refuse("can't make a zero-voter config joint");
  const draft = new ConfDraft(conf);
  for (const voter of conf.voters) draft.outgoing.add(voter);
  for (const step of steps) draft.take(step);
  if (draft.voters.size === 0) return refuse("removed all voters"); // raft pitfall 56
  return accept(draft.finish(autoLeave));
}

/** Drops the outgoing half; its voters that were to become learners do (raft pitfall 55). */
export function leaveJoint(conf: ConfState): ConfResult {
  if (!isJoint(conf)) return refuse("can't leave a non-joint config"); // raft pitfall 53
  return accept({
    voters: conf.voters,
    outgoing: [],
    learners: sortedUnion(conf.learners, conf.learnersNext),
    learnersNext: [],
    autoLeave: false,
  });
}

/**
 * Null when `conf` is one that the functions above could have produced, or empty; else what is
 * wrong. For configurations that come from a disk or a peer.
 */
export function confFault(conf: ConfState): string | null {
  if (conf.learners.some((id) => conf.voters.includes(id) || conf.outgoing.includes(id))) {
    return "a learner is also a voter";
  }
  if (conf.learnersNext.some((id) => !conf.outgoing.includes(id) || conf.voters.includes(id))) {
    return "a learner to be is not an outgoing voter only";
  }
  if (conf.outgoing.length > 0 && conf.voters.length === 0) return "joint without voters";
  if (!isJoint(conf) && conf.autoLeave) return "leaves a joint configuration that it is not in";
  const lists = [conf.voters, conf.outgoing, conf.learners, conf.learnersNext];
  if (lists.some((ids) => ids.some((id, at) => id <= (at === 0 ? NO_REPLICA : ids[at - 1]!)))) {
    return "ids are not positive and ascending";
  }
  return null;
}

function resetConf(steps: readonly ConfChangeStep[]): ConfResult {
  const draft = new ConfDraft(EMPTY_CONF);
  for (const step of steps) draft.take(step);
  if (draft.voters.size === 0) return refuse("removed all voters");
  return accept(draft.finish(false));
}

function accept(conf: ConfState): ConfResult {
  return { conf, refusal: null };
}

function refuse(refusal: string): ConfResult {
  return { conf: null, refusal };
}

function differences(before: readonly ReplicaId[], after: ReadonlySet<ReplicaId>): number {
  let kept = 0;
  for (const id of before) if (after.has(id)) kept++;
  return before.length - kept + (after.size - kept);
}

/** A configuration while steps are applied to it. */
class ConfDraft {
  readonly voters: Set<ReplicaId>;
  readonly outgoing: Set<ReplicaId>;
  readonly #learners: Set<ReplicaId>;
  readonly #learnersNext: Set<ReplicaId>;

  constructor(conf: ConfState) {
    this.voters = new Set(conf.voters);
    this.outgoing = new Set(conf.outgoing);
    this.#learners = new Set(conf.learners);
    this.#learnersNext = new Set(conf.learnersNext);
  }

  take(step: ConfChangeStep): void {
    const id = step.replica;
    // A host that vetoes a step at apply time replaces its id by nobody's.
    if (id === NO_REPLICA) return;
    switch (step.type) {
      case ConfChangeType.ADD_VOTER:
        this.#remove(id);
        this.voters.add(id);
        return;
      case ConfChangeType.ADD_LEARNER:
        this.#remove(id);
        // An outgoing voter counts until the joint configuration is left, and nobody is voter and
        // learner at once (raft pitfall 55).
        if (this.outgoing.has(id)) this.#learnersNext.add(id);
        else this.#learners.add(id);
        return;
      case ConfChangeType.REMOVE:
        this.#remove(id);
        return;
      case ConfChangeType.UPDATE:
        return;
    }
  }

  finish(autoLeave: boolean): ConfState {
    return {
      voters: sorted(this.voters),
      outgoing: sorted(this.outgoing),
      learners: sorted(this.#learners),
      learnersNext: sorted(this.#learnersNext),
      autoLeave,
    };
  }

  #remove(id: ReplicaId): void {
    this.voters.delete(id);
    this.#learners.delete(id);
    this.#learnersNext.delete(id);
  }
}

function sorted(ids: ReadonlySet<ReplicaId>): readonly ReplicaId[] {
  return [...ids].sort((a, b) => a - b);
}
