/**
 * One node's membership of the cluster: the whole of SWIM with Lifeguard as one object without
 * sockets, clock or chance of its own.
 *
 * ```
 *  packet, stream ─▶ handlePacket / handleStream ─┐                      ┌─▶ drain(): send packet, stream;
 *  time           ─▶ handleTimeout ───────────────┼─▶ parts, member table ┤        member and self events
 *  operator       ─▶ join, leave, setMetadata ────┘                      └─▶ nextDeadlineMs
 * ```
 *
 * The shell: after every call `drain()` and carry the outputs out in order, then arm one timer for
 * `nextDeadlineMs`. A timer that comes early or twice does nothing. It stores the node id for good,
 * draws `startEpoch` above all earlier ones at each start, and encrypts through `PacketSeal`.
 * Nothing that arrives can throw.
 *
 * Parts, in reading order: member, member-table, membership (what is believed), prober and
 * probe-answers (failure detection), gossiper, synchronizer (join, anti-entropy), healing-list.
 * Thread: main. Scope: one per node.
 */

import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import { Awareness } from "./awareness.ts";
import { electCleaner } from "./cleaner.ts";
import { decodePacket } from "./decode-swim.ts";
import { Gossiper } from "./gossiper.ts";
import { HealingList } from "./healing-list.ts";
import type { Claim, NodeDescription, NodeId } from "./member.ts";
import { MemberRounds } from "./member-rounds.ts";
import { type Member, type MemberDigest, MemberTable } from "./member-table.ts";
import { Membership } from "./membership.ts";
import { NO_SEAL, Outbox, type PacketSeal } from "./outbox.ts";
import { type Channel, ProbeAnswers } from "./probe-answers.ts";
import { Prober } from "./prober.ts";
import { isNodeId, PROTOCOL_VERSION } from "./swim-layout.ts";
import { MessageKind, PacketFault, type Sender, type SwimMessage } from "./swim-message.ts";
import { SelfChange, type SwimOutput } from "./swim-output.ts";
import { assertParameters, SWIM_DEFAULTS, type SwimParameters } from "./swim-parameters.ts";
import { Synchronizer } from "./synchronizer.ts";
import { TombstoneSweep } from "./tombstone-sweep.ts";

export interface SwimOptions {
  /** 1..64 bytes of UTF-8. Packets of other clusters are dropped. */
  readonly clusterName: string;
  readonly nodeId: NodeId;
  readonly startEpoch: number;
  /** Where others reach this node's gossip port. */
  readonly address: string;
  readonly metadata?: Uint8Array;
  readonly parameters?: SwimParameters;
  readonly seal?: PacketSeal;
  /**
   * Members remembered from before the start. They are probed, and forgotten like others when they
   * do not answer; that this node is back they learn when it joins any of them.
   */
  readonly knownNodes?: readonly NodeDescription[];
}

/** Packets that were dropped, by reason. */
export interface DroppedPackets {
  readonly sealed: number;
  readonly malformed: number;
  readonly wrongVersion: number;
  readonly wrongCluster: number;
}

const Phase = { MEMBER: 0, LEAVING: 1, ENDED: 2 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const NEVER = Number.POSITIVE_INFINITY;

export class Swim {
  readonly #parameters: SwimParameters;
  readonly #clusterName: string;
  readonly #seal: PacketSeal;
  readonly #table = new MemberTable();
  readonly #awareness: Awareness;
  readonly #outbox: Outbox;
  readonly #healing: HealingList;
  readonly #membership: Membership;
  readonly #prober: Prober;
  readonly #answers: ProbeAnswers;
  readonly #gossiper: Gossiper;
  readonly #synchronizer: Synchronizer;
  readonly #sweep: TombstoneSweep;
  readonly #dropped = [0, 0, 0, 0, 0];
  #phase: Phase = Phase.MEMBER;
  #endMs = NEVER;
  /** As of the last call. */
  #liveCount: number;
  /** When the shell was due to call again, as of its last call: never before that call. */
  #dueMs = NEVER;

  constructor(options: SwimOptions, nowMs: number, prng: Prng) {
    const { clusterName, nodeId, startEpoch, address } = options;
    assert(isNodeId(nodeId), "the node id is a UUID in lower-case text");
    const parameters = options.parameters ?? SWIM_DEFAULTS;
    assertParameters(parameters);
    const seal = options.seal ?? NO_SEAL;
    const metadata = options.metadata ?? new Uint8Array(0);
    const protocolVersion = PROTOCOL_VERSION;
    const self = { nodeId, startEpoch, incarnation: 0, address, protocolVersion, metadata };
    const table = this.#table;
    const awareness = new Awareness(parameters.awarenessMax);
    const outbox = new Outbox(parameters, table, seal, clusterName, { nodeId, address });
    const healing = new HealingList(parameters, outbox, prng.split());
    const probeRounds = new MemberRounds(prng.split());
    const gossipRounds = new MemberRounds(prng.split());
    const rounds = [probeRounds, gossipRounds];
    const common = { parameters, table, outbox, awareness, healing };
    const membership = new Membership({ ...common, rounds }, self, nowMs);
    const parts = { ...common, probeRounds, gossipRounds, membership, prng };
    this.#parameters = parameters;
    this.#clusterName = clusterName;
    this.#seal = seal;
    this.#awareness = awareness;
    this.#outbox = outbox;
    this.#healing = healing;
    this.#membership = membership;
    this.#prober = new Prober(parts, nowMs);
    this.#answers = new ProbeAnswers(parts);
    this.#gossiper = new Gossiper(parts, nowMs);
    this.#synchronizer = new Synchronizer(parts, nowMs);
    this.#sweep = new TombstoneSweep(parameters, table, nowMs);
    for (const node of options.knownNodes ?? []) membership.remember(node, nowMs);
    this.#liveCount = this.#table.liveCount;
  }

  /** This node as it describes itself now. */
  get self(): NodeDescription {
    return this.#membership.self;
  }

  /** Alive and suspect members, this node among them. */
  get liveMembers(): readonly Member[] {
    return this.#table.liveMembers();
  }

  /** Equal on nodes that agree about who is alive, in which version. */
  get digest(): MemberDigest {
    return this.#table.digest;
  }

  /** This node's local health: 0 is well (Lifeguard). */
  get awarenessScore(): number {
    return this.#awareness.score;
  }

  /** Failed members that are still being called. */
  get healingSize(): number {
    return this.#healing.size;
  }

  /** Seeds that have not answered. */
  get waitingSeeds(): number {
    return this.#synchronizer.waitingSeeds;
  }

  get waitingClaims(): number {
    return this.#outbox.waitingClaims;
  }

  get droppedPackets(): DroppedPackets {
    const of = (fault: PacketFault) => this.#dropped[fault]!;
    return {
      sealed: of(PacketFault.SEALED),
      malformed: of(PacketFault.MALFORMED),
      wrongVersion: of(PacketFault.WRONG_VERSION),
      wrongCluster: of(PacketFault.WRONG_CLUSTER),
    };
  }

  /** Members not taken in because `membersMax` are known. */
  get ignoredForRoom(): number {
    return this.#membership.ignoredForRoom;
  }

  /** A member or tombstone; undefined when never heard of, or forgotten. */
  member(nodeId: NodeId): Member | undefined {
    return this.#table.get(nodeId);
  }

  /** Which live member removes what `subject` left behind in shared state (cleaner.ts). */
  cleanerOf(subject: NodeId): NodeId | null {
    const live = this.#table.liveMembers().map(({ node }) => node.nodeId);
    return electCleaner(
      subject,
      live.filter((nodeId) => nodeId !== subject),
    );
  }

  /** When `handleTimeout` wants to be called; Infinity after the end. Changes with every call. */
  get nextDeadlineMs(): number {
    if (this.#phase === Phase.ENDED) return NEVER;
    return Math.min(
      this.#prober.nextDeadlineMs,
      this.#answers.nextDeadlineMs,
      this.#membership.nextDeadlineMs,
      this.#gossiper.nextDeadlineMs,
      this.#synchronizer.nextDeadlineMs,
      this.#healing.nextDeadlineMs,
      this.#sweep.nextDeadlineMs,
      this.#endMs,
    );
  }

  /** What the shell must do now, in order. */
  drain(): SwimOutput[] {
    return this.#outbox.drain();
  }

  /** Finds the cluster through any of `addresses`; more may be added at any time. */
  join(addresses: readonly string[], nowMs: number): void {
    if (this.#phase !== Phase.MEMBER) return;
    this.#synchronizer.join(addresses, nowMs);
    this.#synchronizer.handleTimeout(nowMs);
    this.#noteDue(nowMs);
  }

  /** At most 512 bytes, taken over. */
  setMetadata(metadata: Uint8Array, nowMs: number): void {
    if (this.#phase !== Phase.MEMBER) return;
    this.#membership.setMetadata(metadata, nowMs);
    this.#noteDue(nowMs);
  }

  /** Says farewell, gossips on for a moment, then reports SelfChange.LEFT. */
  leave(nowMs: number): void {
    if (this.#phase !== Phase.MEMBER) return;
    this.#phase = Phase.LEAVING;
    const { leaveMinMs, leaveGossipRounds, gossipIntervalMs } = this.#parameters;
    this.#endMs = nowMs + Math.max(leaveMinMs, leaveGossipRounds * gossipIntervalMs);
    this.#prober.stop();
    this.#synchronizer.stop();
    this.#membership.leave();
    this.#noteDue(nowMs);
  }

  /** One datagram; borrowed. */
  handlePacket(bytes: Uint8Array, nowMs: number): void {
    this.#handleBytes(bytes, "packet", nowMs);
  }

  /** One framed message from a stream; borrowed. */
  handleStream(bytes: Uint8Array, nowMs: number): void {
    this.#handleBytes(bytes, "stream", nowMs);
  }

  handleTimeout(nowMs: number): void {
    if (this.#phase === Phase.ENDED) return;
    if (nowMs >= this.#endMs) {
      this.#end(SelfChange.LEFT);
      return;
    }
    this.#noticeStall(nowMs);
    this.#membership.handleTimeout(nowMs);
    this.#answers.handleTimeout(nowMs);
    this.#prober.handleTimeout(nowMs);
    this.#synchronizer.handleTimeout(nowMs);
    this.#healing.handleTimeout(nowMs);
    this.#sweep.handleTimeout(nowMs);
    // Last, so that what this turn found out leaves with it.
    this.#gossiper.handleTimeout(nowMs);
    this.#noteDue(nowMs);
  }

  #handleBytes(sealed: Uint8Array, channel: Channel, nowMs: number): void {
    if (this.#phase === Phase.ENDED) return;
    this.#noticeStall(nowMs);
    this.#open(sealed, channel, nowMs);
    if (this.#membership.isDisplaced) this.#phase = Phase.ENDED;
    this.#noteDue(nowMs);
  }

  #open(sealed: Uint8Array, channel: Channel, nowMs: number): void {
    const bytes = this.#seal.open(sealed);
    const packet = bytes === null ? PacketFault.SEALED : decodePacket(bytes, this.#clusterName);
    if (typeof packet === "number") {
      this.#dropped[packet]! += 1;
      return;
    }
    for (const message of packet.messages) {
      this.#handleMessage(message, packet.sender, channel, nowMs);
    }
  }

  #handleMessage(message: SwimMessage, sender: Sender, channel: Channel, nowMs: number): void {
    switch (message.kind) {
      case MessageKind.PING:
        this.#answers.handlePing(message, sender, channel);
        this.#synchronizer.handleProbed(sender, nowMs);
        return;
      case MessageKind.PING_REQUEST:
        this.#answers.handlePingRequest(message, sender, nowMs);
        return;
      case MessageKind.ACK:
        this.#prober.handleAck(message.sequence, nowMs);
        this.#answers.handleAck(message.sequence);
        return;
      case MessageKind.NACK:
        this.#prober.handleNack(message.sequence);
        return;
      case MessageKind.HEAL:
        this.#synchronizer.handleHeal(message, sender, nowMs);
        return;
      case MessageKind.DIGEST:
        this.#synchronizer.handleDigest(message, sender, nowMs);
        return;
      case MessageKind.SYNC:
        this.#synchronizer.handleSync(message, sender, nowMs);
        return;
      case MessageKind.CLAIM:
        this.#handleClaim(message.claim, sender, channel, nowMs);
    }
  }

  #handleClaim(claim: Claim, sender: Sender, channel: Channel, nowMs: number): void {
    const reminder = this.#membership.reminderFor(sender, claim);
    this.#membership.apply(claim, nowMs);
    if (reminder === null) return;
    const message = { kind: MessageKind.CLAIM, claim: reminder };
    if (channel === "stream") this.#outbox.stream(sender.address, message);
    else this.#outbox.packet(sender.address, [message], this.self.nodeId);
  }

  /**
   * This thread was held up, or the machine slept: what should have been heard meanwhile lies
   * unread, so a silent member proves nothing. The suspicions wait that much longer, the probe is
   * void, and this node trusts itself less (Lifeguard's idea, applied where the cause is known).
   */
  #noticeStall(nowMs: number): void {
    const stallMs = nowMs - this.#dueMs;
    if (stallMs <= this.#parameters.probeTimeoutMs) return;
    this.#awareness.handleStall();
    this.#prober.handleStall();
    this.#membership.handleStall(stallMs);
  }

  /** After every call: what follows from it, and when the shell is due again. */
  #noteDue(nowMs: number): void {
    const { liveCount } = this.#table;
    if (liveCount !== this.#liveCount) this.#synchronizer.handleListChanged(nowMs);
    this.#liveCount = liveCount;
    this.#dueMs = Math.max(nowMs, this.nextDeadlineMs);
  }

  #end(change: SelfChange): void {
    this.#phase = Phase.ENDED;
    this.#outbox.selfEvent(change);
  }
}
