/**
 * One suspicion: a clock that runs towards death and goes faster with each independent accuser
 * (Lifeguard, LHA-Suspicion).
 *
 * In a small cluster the end of the clock is not enough: more than half of all known members must
 * accuse, or the member must have been missing for long. Otherwise the halves of a cluster of two
 * or four would take turns in burying each other at every hiccup.
 */

import type { HeapItem } from "../collections/deadline-heap.ts";
import { confirmationsWanted, isMajority, suspicionMinMs, suspicionTimeoutMs } from "./formulas.ts";
import type { NodeId } from "./member.ts";
import type { SwimParameters } from "./swim-parameters.ts";

export class Suspicion implements HeapItem {
  /** Its place among all suspicions of this member (shared/collections/deadline-heap.ts). */
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  readonly nodeId: NodeId;
  readonly #parameters: SwimParameters;
  readonly #accusers = new Set<NodeId>();
  readonly #wanted: number;
  #startMs: number;

  /** `memberCount` live members are known, this one and the suspect among them. */
  constructor(
    parameters: SwimParameters,
    nodeId: NodeId,
    accuser: NodeId,
    memberCount: number,
    nowMs: number,
  ) {
    this.#parameters = parameters;
    this.nodeId = nodeId;
    this.#wanted = confirmationsWanted(parameters.suspicionMultiplier, memberCount);
    this.#startMs = nowMs;
    this.#accusers.add(accuser);
  }

  get accusers(): number {
    return this.#accusers.size;
  }

  /** All but the first. */
  get confirmations(): number {
    return this.#accusers.size - 1;
  }

  /**
   * Counts one more accuser. True when that is news worth telling on: a new one of the first few
   * (Lifeguard: re-gossip the first K independent suspicions), enough of them for a small cluster's
   * majority too.
   */
  confirm(accuser: NodeId): boolean {
    const limit = Math.max(this.#wanted + 1, this.#parameters.smallClusterSize);
    if (this.#accusers.size >= limit || this.#accusers.has(accuser)) return false;
    this.#accusers.add(accuser);
    return true;
  }

  /** When the suspect is to be declared dead, as things stand with `memberCount` live members. */
  deadlineMs(memberCount: number): number {
    const { suspicionMultiplier, probeIntervalMs, suspicionMaxMultiplier } = this.#parameters;
    const minMs = suspicionMinMs(suspicionMultiplier, memberCount, probeIntervalMs);
    const maxMs = suspicionMaxMultiplier * minMs;
    const timeoutMs = suspicionTimeoutMs(this.confirmations, this.#wanted, minMs, maxMs);
    const { smallClusterSize, smallClusterWaitMs } = this.#parameters;
    const mustAgree = memberCount <= smallClusterSize && !isMajority(this.accusers, memberCount);
    const waitMs = mustAgree ? Math.max(timeoutMs, smallClusterWaitMs) : timeoutMs;
    return this.#startMs + waitMs;
  }

  /** The suspect was heard: whoever heard it waits anew, with the accusers that there are. */
  restart(nowMs: number): void {
    this.#startMs = nowMs;
  }

  /** This member slept for `stallMs`; the suspect's refutation may lie unread in its sockets. */
  postpone(stallMs: number): void {
    this.#startMs += stallMs;
  }
}
