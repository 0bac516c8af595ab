/**
 * One suspicion: a clock that runs towards death and goes faster with each independent accuser
 * (Lifeguard, LHA-Suspicion).
 *
 * ```
 *   start ─────────────────────────▶ last call ──── lastCallPeriods ────▶ death
 *         accusers bring both nearer            the suspect may still answer
 * ```
 *
 * The last call is our own addition. Gossip reaches everybody but for chance, and where a thousand
 * members lose a fifth of their packets, chance does keep a refutation from somebody now and then;
 * so whoever is about to bury a member has asked it in person.
 *
 * In a small cluster the end of the clock is not enough: more than half of all known members must
 * accuse, or the member must have been missing for long. Otherwise the halves of a cluster of two
 * or four would take turns in burying each other at every hiccup.
 */

import type { HeapItem } from "../collections/deadline-heap.ts";
import { confirmationsWanted, isMajority, suspicionMinMs, suspicionTimeoutMs } from "./formulas.ts";
import type { NodeId } from "./member.ts";
import type { SwimParameters } from "./swim-parameters.ts";

const NEVER = Number.POSITIVE_INFINITY;

export class Suspicion implements HeapItem {
  /** Its place among all suspicions of this member (shared/collections/deadline-heap.ts). */
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  readonly nodeId: NodeId;
  readonly #parameters: SwimParameters;
  readonly #accusers = new Set<NodeId>();
  readonly #wanted: number;
  #startMs: number;
  /** When this member first asked the suspect in person; Infinity until then. */
  #askedMs = NEVER;
  #isCalled = false;

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

  /** False: the last call is still to come. */
  get isCalled(): boolean {
    return this.#isCalled;
  }

  /** When the last call is due, or after it death, as things stand with `memberCount` members. */
  deadlineMs(memberCount: number): number {
    const { lastCallPeriods, probeIntervalMs } = this.#parameters;
    const answerMs = lastCallPeriods * probeIntervalMs;
    const endMs = this.#startMs + this.#waitMs(memberCount);
    return this.#isCalled ? Math.max(endMs, this.#askedMs + answerMs) : endMs - answerMs;
  }

  /**
   * The suspect was sent an accusation in this member's own name. The first time counts: accusers
   * may come in so late that the end is there before the last call, and who accused the suspect
   * itself has given it its chance by then.
   */
  handleAsked(nowMs: number): void {
    this.#askedMs = Math.min(this.#askedMs, nowMs);
  }

  handleLastCall(nowMs: number): void {
    this.#isCalled = true;
    this.handleAsked(nowMs);
  }

  /** The suspect was heard: whoever heard it waits anew, with the accusers that there are. */
  restart(nowMs: number): void {
    this.#startMs = nowMs;
    this.#askedMs = NEVER;
    this.#isCalled = false;
  }

  /** This member slept for `stallMs`; the suspect's refutation may lie unread in its sockets. */
  postpone(stallMs: number): void {
    this.#startMs += stallMs;
    this.#askedMs += stallMs;
  }

  /** From the start to death. */
  #waitMs(memberCount: number): number {
    const { suspicionMultiplier, probeIntervalMs, suspicionMaxMultiplier } = this.#parameters;
    const minMs = suspicionMinMs(suspicionMultiplier, memberCount, probeIntervalMs);
    const maxMs = suspicionMaxMultiplier * minMs;
    const timeoutMs = suspicionTimeoutMs(this.confirmations, this.#wanted, minMs, maxMs);
    const { smallClusterSize, smallClusterWaitMs } = this.#parameters;
    const mustAgree = memberCount <= smallClusterSize && !isMajority(this.accusers, memberCount);
    return mustAgree ? Math.max(timeoutMs, smallClusterWaitMs) : timeoutMs;
  }
}
