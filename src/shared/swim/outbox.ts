/**
 * Everything that leaves a membership core: sealed packets, filled up with waiting claims
 * (piggybacking, SWIM §4.1), streams, and events.
 */

import { assert } from "../base/assert.ts";
import { DisseminationQueue } from "./dissemination-queue.ts";
import { encodeClaim, encodeHeader, encodeMessage, joinParts } from "./encode-swim.ts";
import { everybodyThrice, retransmitLimit } from "./formulas.ts";
import { type Claim, type NodeId, subjectOf } from "./member.ts";
import type { Member, MemberTable } from "./member-table.ts";
import { CLAIM_BYTES_MAX } from "./swim-layout.ts";
import type { Sender, SwimMessage } from "./swim-message.ts";
import type { MemberChange, SelfChange, SwimOutput } from "./swim-output.ts";
import type { SwimParameters } from "./swim-parameters.ts";

/**
 * The cluster key, from the core's point of view: the shell encrypts and authenticates, because
 * that takes random numbers and native code.
 */
export interface PacketSeal {
  /** Bytes that `seal` adds at most. */
  readonly overheadBytes: number;
  seal(bytes: Uint8Array): Uint8Array;
  /** Null: not sealed with this cluster's key. Must not throw. */
  open(bytes: Uint8Array): Uint8Array | null;
}

/** No cluster key: the cluster name alone keeps clusters apart, by mistake but not by malice. */
export const NO_SEAL: PacketSeal = {
  overheadBytes: 0,
  seal: (bytes) => bytes,
  open: (bytes) => bytes,
};

export class Outbox {
  readonly #parameters: SwimParameters;
  readonly #table: MemberTable;
  readonly #seal: PacketSeal;
  readonly #header: Uint8Array;
  readonly #queue = new DisseminationQueue();
  readonly #roomBytes: number;
  #outputs: SwimOutput[] = [];

  constructor(
    parameters: SwimParameters,
    table: MemberTable,
    seal: PacketSeal,
    clusterName: string,
    sender: Sender,
  ) {
    this.#parameters = parameters;
    this.#table = table;
    this.#seal = seal;
    this.#header = encodeHeader(clusterName, sender);
    this.#roomBytes = parameters.packetBytesMax - seal.overheadBytes - this.#header.length;
    assert(this.#roomBytes >= CLAIM_BYTES_MAX, "any claim fits a packet");
  }

  /** Claims waiting to be told on. */
  get waitingClaims(): number {
    return this.#queue.size;
  }

  /** Tells `claim` to the cluster, in place of anything earlier about the same member. */
  broadcast(claim: Claim): void {
    this.#queue.offer(subjectOf(claim), encodeClaim(claim));
  }

  /** One datagram with `messages`, filled up with waiting claims, except about `told`. */
  packet(address: string, messages: readonly SwimMessage[], told: NodeId | null = null): void {
    const parts = [this.#header, ...messages.map(encodeMessage)];
    let roomBytes = this.#roomBytes + this.#header.length;
    for (const part of parts) roomBytes -= part.length;
    parts.push(...this.#queue.take(roomBytes, this.#retransmitLimit, told));
    this.#outputs.push({ kind: "packet", address, bytes: this.#seal.seal(joinParts(parts)) });
  }

  /** One datagram of waiting claims; false, and nothing sent, when none waits. */
  gossip(address: string): boolean {
    const claims = this.#queue.take(this.#roomBytes, this.#retransmitLimit);
    if (claims.length === 0) return false;
    const bytes = this.#seal.seal(joinParts([this.#header, ...claims]));
    this.#outputs.push({ kind: "packet", address, bytes });
    return true;
  }

  /** Streams carry no claims along: they are rare, and say all there is to say. */
  stream(address: string, message: SwimMessage): void {
    const bytes = this.#seal.seal(joinParts([this.#header, encodeMessage(message)]));
    this.#outputs.push({ kind: "stream", address, bytes });
  }

  memberEvent(change: MemberChange, member: Member): void {
    const { node, status, startEpoch, incarnation, statusSinceMs } = member;
    const copy = { node, status, startEpoch, incarnation, statusSinceMs };
    this.#outputs.push({ kind: "member", change, member: copy });
  }

  selfEvent(change: SelfChange): void {
    this.#outputs.push({ kind: "self", change });
  }

  /** Everything since the last call, in order. */
  drain(): SwimOutput[] {
    const outputs = this.#outputs;
    if (outputs.length > 0) this.#outputs = [];
    return outputs;
  }

  get #retransmitLimit(): number {
    const { liveCount } = this.#table;
    const limit = retransmitLimit(this.#parameters.retransmitMultiplier, liveCount);
    return Math.max(limit, everybodyThrice(liveCount));
  }
}
