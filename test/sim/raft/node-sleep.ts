/**
 * Lets a node's replica sleep as the host of many groups does (quiescence.ts): asks before every
 * tick, tells the members, wakes it when there is news. Membership, which watches over sleeping
 * groups, is the world's own knowledge of who is up, with some delay (`World.suspect`).
 *
 * Scope: one per process of a node, in worlds whose groups sleep.
 */

import { allMembers } from "../../../src/shared/raft/conf-state.ts";
import { isCoalescible } from "../../../src/shared/raft/heartbeat-frame.ts";
import type { RaftMessage } from "../../../src/shared/raft/message.ts";
import { type QuiesceNotice, Quiescence } from "../../../src/shared/raft/quiescence.ts";
import type { RaftCore } from "../../../src/shared/raft/raft-core.ts";
import type { World } from "./world.ts";

export class NodeSleep {
  readonly #world: World;
  readonly #core: RaftCore;
  readonly #quiescence: Quiescence;

  constructor(world: World, core: RaftCore) {
    this.#world = world;
    this.#core = core;
    const { heartbeatTicks, sleepTicks } = world.profile;
    this.#quiescence = new Quiescence(core, Math.max(sleepTicks, heartbeatTicks + 1));
  }

  /** Whether the core is to be told of this tick. */
  admitsTick(): boolean {
    if (this.#quiescence.isQuiesced) return false;
    const notice = this.#quiescence.tick(this.#areAllAlive());
    if (notice === null) return true;
    this.#world.sleepCount += 1;
    const { network } = this.#world;
    for (const member of allMembers(this.#core.conf)) {
      if (member !== notice.from) network.send(notice.from - 1, member - 1, notice);
    }
    return false;
  }

  offer(notice: QuiesceNotice): void {
    this.#quiescence.offer(notice, this.#areAllAlive());
  }

  /** Heartbeats are no news, but where nobody should send any. */
  noteMessage(message: RaftMessage): void {
    if (this.#quiescence.isQuiesced || !isCoalescible(message)) this.#quiescence.wake();
  }

  wake(): void {
    this.#quiescence.wake();
  }

  #areAllAlive(): boolean {
    return allMembers(this.#core.conf).every((member) => this.#world.isAlive(member));
  }
}
