/**
 * Gossip rounds: while claims wait, a few members get a packet of them each interval (SWIM §4.1,
 * with memberlist's rounds of their own, several per period, so that news travels faster than
 * probes). They take turns in random order, so that no listener is passed over for long. Nothing is
 * sent when there is nothing to tell.
 */

import type { Prng } from "../base/prng.ts";
import type { HealingList } from "./healing-list.ts";
import type { NodeId } from "./member.ts";
import type { MemberRounds } from "./member-rounds.ts";
import type { MemberTable } from "./member-table.ts";
import type { Outbox } from "./outbox.ts";
import type { SwimParameters } from "./swim-parameters.ts";

export interface GossiperParts {
  readonly parameters: SwimParameters;
  readonly prng: Prng;
  readonly table: MemberTable;
  readonly outbox: Outbox;
  readonly gossipRounds: MemberRounds;
  readonly healing: HealingList;
}

const NEVER = Number.POSITIVE_INFINITY;

export class Gossiper {
  readonly #parts: GossiperParts;
  #nextRoundMs: number;

  constructor(parts: GossiperParts, nowMs: number) {
    this.#parts = parts;
    this.#nextRoundMs = nowMs;
  }

  /** Infinity while nothing waits, or nobody is there to be told. */
  get nextDeadlineMs(): number {
    const { outbox, table, healing } = this.#parts;
    const hasListeners = table.liveCount > 1 || healing.size > 0;
    return outbox.waitingClaims > 0 && hasListeners ? this.#nextRoundMs : NEVER;
  }

  handleTimeout(nowMs: number): void {
    const { outbox, parameters } = this.#parts;
    if (nowMs < this.#nextRoundMs || outbox.waitingClaims === 0) return;
    this.#nextRoundMs = nowMs + parameters.gossipIntervalMs;
    for (const address of this.#listeners(nowMs)) {
      if (!outbox.gossip(address)) return;
    }
  }

  /**
   * Live members in their turn; now and then one that failed lately takes a place, so that it can
   * refute.
   */
  #listeners(nowMs: number): string[] {
    const { parameters, prng, table, gossipRounds, healing } = this.#parts;
    const { gossipFanout, gossipToTheDeadMs } = parameters;
    const listeners = new Set<NodeId>();
    // A turn is lost where one round ends and the next begins with the same member.
    for (let turn = 0; turn < 2 * gossipFanout && listeners.size < gossipFanout; turn++) {
      const nodeId = gossipRounds.next((candidate) => table.isLive(candidate));
      if (nodeId !== null) listeners.add(nodeId);
    }
    const addresses = [...listeners].map((nodeId) => table.get(nodeId)!.node.address);
    const failed = healing.recentlyFailed(nowMs, gossipToTheDeadMs);
    if (failed.length === 0) return addresses;
    const pool = table.liveCount - 1 + failed.length;
    const hasTurn = prng.chance((failed.length * gossipFanout) / pool);
    if (!hasTurn) return addresses;
    const address = failed[prng.below(failed.length)]!;
    return [...addresses.slice(0, gossipFanout - 1), address];
  }
}
