/**
 * A range: an ordered slice [start, end) of one service's key space, with a Raft group, a log and a
 * state machine of its own.
 */

import type { ServiceId } from "./service-id.ts";

/** Positive, never given out twice on a node. */
export type RangeId = number;

export interface RangeDescriptor {
  readonly id: RangeId;
  readonly service: ServiceId;
  /** First key; empty = from the beginning. */
  readonly start: Uint8Array;
  /** First key beyond it; null = to the end. */
  readonly end: Uint8Array | null;
  /**
   * Grows with every split and merge. A command that was routed by another one is refused with
   * RangeMoved, and its proposer looks the range up again.
   */
  readonly boundaryVersion: number;
  /** Which store of this node holds it: 1..stores. */
  readonly storeId: number;
}
