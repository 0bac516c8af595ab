/**
 * Puts configurations into effect. One takes effect when its entry is applied, never when it is
 * appended: then a truncated log needs no roll-back, and a snapshot's configuration is exactly the
 * one at its index. The price is paid in election.ts (no campaign with a change unapplied).
 */

import { assert } from "../base/assert.ts";
import type { ConfChange, ConfState } from "./conf-state.ts";
import { isVoter } from "./conf-state.ts";
import { applyConfChangeTo } from "./config-change.ts";
import { NO_REPLICA } from "./entry.ts";
import type { RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";
import { broadcastAppend, sendAppend, tryCommit } from "./replication.ts";
import { becomeFollower } from "./transitions.ts";

/**
 * The CONF_CHANGE entry at `index` is applied. Returns the configuration that holds from there on,
 * for the host to store in the same step.
 */
export function applyChange(state: RaftState, index: number, change: ConfChange): ConfState {
  // An epoch begins with the members that its first entry names, whatever was under way before
  // (raft pitfall 81).
  if (index < state.epochIndex) return state.tracker.conf;
  // Handed out before a snapshot came in, whose configuration has it behind itself already (raft
  // pitfall 66): made again it would leave, or enter, a joint configuration that is another one.
  if (index <= state.snapshotConfIndex) return state.tracker.conf;
  const result = applyConfChangeTo(state.tracker.conf, change);
  assert(result.conf !== null, `raft: ${result.refusal}`);
  switchConf(state, result.conf);
  return result.conf;
}

/** Makes `conf` the one in effect, and draws the conclusions. */
export function switchConf(state: RaftState, conf: ConfState): void {
  state.tracker.use(conf, state.log.lastIndex);
  state.reads.forgetLease();
  if (state.role !== Role.LEADER) return;
  if (!isVoter(conf, state.id)) {
    // It does not count itself any more and takes no proposals; it may still lead others to what is
    // in the log already (raft pitfall 59).
    if (state.options.stepsDownOnRemoval) {
      becomeFollower(state, state.term, NO_REPLICA);
    }
    return;
  }
  // Fewer voters may need fewer acknowledgements (raft pitfall 50).
  if (tryCommit(state)) {
    broadcastAppend(state);
  } else {
    for (const progress of state.tracker.members) {
      if (progress.id !== state.id) sendAppend(state, progress, false);
    }
  }
  // Raft pitfall 62.
  if (!isVoter(conf, state.transferTarget)) state.transferTarget = NO_REPLICA;
}
