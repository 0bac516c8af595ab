/**
 * Lets an idle group sleep: no ticks, no heartbeats, no elections, until something happens. What
 * heartbeats are for (to notice a dead leader) the node's membership protocol does for all groups
 * at once; its suspicion of any member, or news of another process in its place, wakes the group
 * (raft pitfall 80).
 *
 *   AWAKE --- leader: idle, all members level, all alive ---------> QUIESCED, notice to every member
 *         --- follower: notice fits exactly what it has itself ---> QUIESCED
 *   QUIESCED --- any message, proposal, read, suspicion, restart -> AWAKE
 *
 * A follower that does not agree stays awake, campaigns some time later, and thereby wakes the
 * leader. Waking is local and free of messages. Scope: one per replica, beside its core; the host
 * asks `isQuiesced` before it ticks. Thread: main.
 */

import { assert } from "../base/assert.ts";
import { NO_REPLICA, type ReplicaId } from "./entry.ts";
import type { RaftCore } from "./raft-core.ts";
import { Role } from "./ready.ts";

/** What a leader tells its members when it goes to sleep. */
export interface QuiesceNotice {
  readonly from: ReplicaId;
  readonly epoch: number;
  readonly term: number;
  /** Last, committed and applied index, all the same. */
  readonly index: number;
}

export class Quiescence {
  readonly #core: RaftCore;
  readonly #idleTicksNeeded: number;
  #idleTicks = 0;
  #isQuiesced = false;

  /**
   * Ten election timeouts of idleness: a group that is used now and then never sleeps. More than a
   * period of heartbeats, by which members say what they know.
   */
  constructor(core: RaftCore, idleTicksNeeded: number) {
    assert(idleTicksNeeded > core.heartbeatTicks, "raft: a round of heartbeats before any sleep");
    this.#core = core;
    this.#idleTicksNeeded = idleTicksNeeded;
  }

  get isQuiesced(): boolean {
    return this.#isQuiesced;
  }

  /**
   * Before each tick of an awake replica. A notice means: quiesced now, tell every member.
   * `areAllAlive`: what membership says of the nodes of all members of the configuration.
   */
  tick(areAllAlive: boolean): QuiesceNotice | null {
    const core = this.#core;
    if (core.role !== Role.LEADER || !areAllAlive || !core.isSettled) {
      this.#idleTicks = 0;
      return null;
    }
    this.#idleTicks += 1;
    if (this.#idleTicks < this.#idleTicksNeeded) return null;
    this.#isQuiesced = true;
    return { from: core.id, epoch: core.epoch, term: core.term, index: core.lastIndex };
  }

  /** A leader's notice came in. True if this replica sleeps now. */
  offer(notice: QuiesceNotice, areAllAlive: boolean): boolean {
    const core = this.#core;
    const isMine =
      core.role === Role.FOLLOWER &&
      core.leader === notice.from &&
      core.epoch === notice.epoch &&
      core.term === notice.term;
    const isLevel = core.lastIndex === notice.index && core.committed === notice.index;
    this.#isQuiesced = areAllAlive && isMine && isLevel && notice.from !== NO_REPLICA;
    return this.#isQuiesced;
  }

  /**
   * Something happened: a proposal, a read, a change of the members, a message for this replica, a
   * member's node suspected. Heartbeats and their answers are the exception as long as the group is
   * awake: call this for them only when it is quiesced.
   *
   * A member's new process may know less of what is committed than the one before it, so each has
   * to say once more what it knows.
   */
  wake(): void {
    this.#idleTicks = 0;
    this.#isQuiesced = false;
    this.#core.forgetKnownCommits();
  }
}
