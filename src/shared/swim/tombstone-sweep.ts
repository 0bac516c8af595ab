/**
 * Forgets dead and left members after a day. Until then a tombstone keeps old gossip from bringing
 * its member back; later there is no gossip that old.
 */

import { isLive } from "./member.ts";
import type { MemberTable } from "./member-table.ts";
import type { SwimParameters } from "./swim-parameters.ts";

/** A sweep walks the whole table; sixty of them in the life of a tombstone are precise enough. */
const SWEEPS_PER_LIFE = 60;

export class TombstoneSweep {
  readonly #parameters: SwimParameters;
  readonly #table: MemberTable;
  #nextSweepMs: number;

  constructor(parameters: SwimParameters, table: MemberTable, nowMs: number) {
    this.#parameters = parameters;
    this.#table = table;
    this.#nextSweepMs = nowMs + parameters.tombstoneMs / SWEEPS_PER_LIFE;
  }

  get nextDeadlineMs(): number {
    return this.#nextSweepMs;
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) return;
    const { tombstoneMs } = this.#parameters;
    this.#nextSweepMs = nowMs + tombstoneMs / SWEEPS_PER_LIFE;
    for (const { node, status, statusSinceMs } of this.#table.members()) {
      if (!isLive(status) && nowMs - statusSinceMs >= tombstoneMs) this.#table.remove(node.nodeId);
    }
  }
}
