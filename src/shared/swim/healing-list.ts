/**
 * Failed members that may come back: each is called every few seconds for a day, so that a split
 * cluster heals by itself, without an operator and without waiting for chance contact.
 *
 * The first call comes at a random moment of the interval, then one per interval. A called member
 * that lives finds itself declared dead in the call, refutes it with a higher incarnation, and asks
 * for the caller's whole list (synchronizer.ts). Calls are datagrams of a hundred bytes: 256
 * entries every 5 s are 51 packets per second at worst. Entries leave when the member is alive or
 * has left, when its address belongs to somebody else, after `tombstoneMs`, or, the oldest first,
 * when the list is full.
 */

import type { Prng } from "../base/prng.ts";
import type { NodeDescription, NodeId, Version } from "./member.ts";
import type { Member } from "./member-table.ts";
import type { Outbox } from "./outbox.ts";
import { MessageKind } from "./swim-message.ts";
import type { SwimParameters } from "./swim-parameters.ts";

interface Missing extends Version {
  readonly nodeId: NodeId;
  readonly address: string;
  readonly sinceMs: number;
}

const NEVER = Number.POSITIVE_INFINITY;

export class HealingList {
  readonly #parameters: SwimParameters;
  readonly #outbox: Outbox;
  readonly #prng: Prng;
  /** In the order in which they failed. */
  readonly #missing = new Map<NodeId, Missing>();
  #nextDeadlineMs = NEVER;

  constructor(parameters: SwimParameters, outbox: Outbox, prng: Prng) {
    this.#parameters = parameters;
    this.#outbox = outbox;
    this.#prng = prng;
  }

  get size(): number {
    return this.#missing.size;
  }

  get nextDeadlineMs(): number {
    return this.#nextDeadlineMs;
  }

  has(nodeId: NodeId): boolean {
    return this.#missing.has(nodeId);
  }

  handleDead(member: Member, nowMs: number): void {
    const { node, startEpoch, incarnation } = member;
    const { nodeId, address } = node;
    this.#missing.delete(nodeId);
    this.#missing.set(nodeId, { nodeId, address, startEpoch, incarnation, sinceMs: nowMs });
    if (this.#missing.size > this.#parameters.healingMax) this.#dropOldest();
    if (this.#nextDeadlineMs === NEVER) {
      // All nodes of a half learn of the other half's end together; were they to call together too,
      // a healed network would wait for the whole interval instead of for the first of many.
      this.#nextDeadlineMs = nowMs + this.#parameters.healIntervalMs * this.#prng.fraction();
    }
  }

  handleLeft(nodeId: NodeId): void {
    this.#missing.delete(nodeId);
  }

  /** `node` is alive: neither it nor a predecessor on its address is missing. */
  handleAlive(node: NodeDescription): void {
    this.#missing.delete(node.nodeId);
    for (const { nodeId, address } of this.#missing.values()) {
      if (address === node.address) this.#missing.delete(nodeId);
    }
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.#nextDeadlineMs) return;
    for (const missing of this.#missing.values()) this.#call(missing, nowMs);
    const isEmpty = this.#missing.size === 0;
    this.#nextDeadlineMs = isEmpty ? NEVER : nowMs + this.#parameters.healIntervalMs;
  }

  /** Addresses of those that failed within `withinMs`, for a while still told the news. */
  recentlyFailed(nowMs: number, withinMs: number): string[] {
    const addresses: string[] = [];
    for (const { address, sinceMs } of this.#missing.values()) {
      if (nowMs - sinceMs < withinMs) addresses.push(address);
    }
    return addresses;
  }

  #call(missing: Missing, nowMs: number): void {
    const { nodeId, address, startEpoch, incarnation, sinceMs } = missing;
    if (nowMs - sinceMs >= this.#parameters.tombstoneMs) {
      this.#missing.delete(nodeId);
      return;
    }
    const heal = { kind: MessageKind.HEAL, expected: nodeId, startEpoch, incarnation };
    this.#outbox.packet(address, [heal]);
  }

  #dropOldest(): void {
    for (const nodeId of this.#missing.keys()) {
      this.#missing.delete(nodeId);
      return;
    }
  }
}
