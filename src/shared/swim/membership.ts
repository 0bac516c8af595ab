/**
 * What one node believes of the others, and how a claim changes it: SWIM's rules of precedence
 * (§4.2), suspicion before death, refutation of claims about oneself, ghosts.
 *
 * Each claim that changes something is told on; one that changes nothing is not, and so rumours
 * die out. A claim about this node itself is answered, never believed.
 */

import { DeadlineHeap } from "../collections/deadline-heap.ts";
import type { Awareness } from "./awareness.ts";
import type { HealingList } from "./healing-list.ts";
import {
  type Claim,
  compareVersions,
  isLive,
  MemberStatus,
  type NodeDescription,
  type NodeId,
  type StatusClaim,
  supersedes,
  type Version,
  versionAbove,
} from "./member.ts";
import type { MemberRounds } from "./member-rounds.ts";
import type { Member, MemberTable } from "./member-table.ts";
import type { Outbox } from "./outbox.ts";
import { Suspicion } from "./suspicion.ts";
import { MessageKind, type Sender, type SyncRow } from "./swim-message.ts";
import { MemberChange, SelfChange } from "./swim-output.ts";
import type { SwimParameters } from "./swim-parameters.ts";

export interface MembershipParts {
  readonly parameters: SwimParameters;
  readonly table: MemberTable;
  readonly outbox: Outbox;
  /** Whom to probe, and whom to gossip to. */
  readonly rounds: readonly MemberRounds[];
  readonly awareness: Awareness;
  readonly healing: HealingList;
}

export class Membership {
  readonly #parts: MembershipParts;
  readonly #suspicions = new DeadlineHeap<Suspicion>();
  readonly #suspicionOf = new Map<NodeId, Suspicion>();
  #self: NodeDescription;
  #isLeaving = false;
  #isDisplaced = false;
  #ignoredForRoom = 0;

  constructor(parts: MembershipParts, self: NodeDescription, nowMs: number) {
    this.#parts = parts;
    this.#self = self;
    parts.table.set(self, MemberStatus.ALIVE, self, nowMs);
  }

  get self(): NodeDescription {
    return this.#self;
  }

  /** A newer life of this node was heard of: this one is the ghost. */
  get isDisplaced(): boolean {
    return this.#isDisplaced;
  }

  /** Members that were not taken in because the table is full. */
  get ignoredForRoom(): number {
    return this.#ignoredForRoom;
  }

  /** Infinity when nobody is suspect. */
  get nextDeadlineMs(): number {
    return this.#suspicions.nextDeadlineMs;
  }

  /** Accusers of a suspect so far; 0 for anybody else. */
  accusersOf(nodeId: NodeId): number {
    return this.#suspicionOf.get(nodeId)?.accusers ?? 0;
  }

  apply(claim: Claim, nowMs: number): void {
    if (claim.status === MemberStatus.ALIVE) this.#applyAlive(claim.node, nowMs);
    else if (claim.nodeId === this.#self.nodeId) this.#applyToSelf(claim, nowMs);
    else if (claim.status === MemberStatus.SUSPECT) this.#applySuspect(claim, nowMs);
    else this.#applyEnd(claim, nowMs);
  }

  /**
   * A line of somebody's whole list. Its sender may have been cut off for long, so whom it holds
   * dead is only suspected here and gets the chance to refute (memberlist, `mergeState`).
   */
  applyRow(row: SyncRow, from: NodeId, nowMs: number): void {
    const { node, status, startEpoch, incarnation } = row;
    const claim = { nodeId: node.nodeId, startEpoch, incarnation, from };
    const isSelf = node.nodeId === this.#self.nodeId;
    if (status === MemberStatus.ALIVE || (status === MemberStatus.SUSPECT && !isSelf)) {
      this.#applyAlive(node, nowMs);
    }
    if (status === MemberStatus.ALIVE) return;
    const isKnown = this.#parts.table.get(node.nodeId) !== undefined;
    if (!isKnown) this.#bury(row, nowMs);
    else if (status === MemberStatus.LEFT) this.apply({ ...claim, status }, nowMs);
    else this.apply({ ...claim, status: MemberStatus.SUSPECT }, nowMs);
  }

  /** A member from before the start: believed and probed, but not told on. */
  remember(node: NodeDescription, nowMs: number): void {
    const { table } = this.#parts;
    if (table.get(node.nodeId) !== undefined || !this.#hasRoom()) return;
    table.set(node, MemberStatus.ALIVE, node, nowMs);
    this.#takeTurns(node.nodeId);
  }

  /**
   * A probe of this node's own failed. The suspect hears of it by stream too: on a network that
   * loses a fifth of all packets, gossip alone reaches it or its answer the others too late now and
   * then.
   */
  suspect(member: Member, nowMs: number): void {
    this.#accuseByStream(member);
    this.#applySuspect(this.accusation(member), nowMs);
    this.#suspicionOf.get(member.node.nodeId)?.handleAsked(nowMs);
  }

  /**
   * The node answered a probe. If it is suspect, that is no refutation, which only itself can give
   * to all; but this node at least has no reason to bury it for another while. (Lifeguard has no
   * such rule; at 20 % loss it is what keeps three nodes from burying each other.)
   */
  handleAck(nodeId: NodeId, nowMs: number): void {
    const suspicion = this.#suspicionOf.get(nodeId);
    if (suspicion === undefined) return;
    suspicion.restart(nowMs);
    this.#schedule(suspicion);
  }

  /** The claim that `member` is suspect, in this node's name. */
  accusation(member: Version & { readonly node: NodeDescription }): StatusClaim {
    return this.#claimOf(member, MemberStatus.SUSPECT);
  }

  /**
   * What the sender of a ping should know: that it counts as dead or gone here, or that its id
   * lives on another address now. It refutes, or finds out that it is the ghost. Null: nothing.
   */
  objectionTo(sender: Sender): Claim | null {
    const member = this.#parts.table.get(sender.nodeId);
    if (member === undefined || sender.nodeId === this.#self.nodeId) return null;
    if (member.status === MemberStatus.DEAD || member.status === MemberStatus.LEFT) {
      return this.#claimOf(member, member.status);
    }
    if (member.node.address === sender.address) return null;
    return { status: MemberStatus.ALIVE, node: member.node };
  }

  /**
   * What the sender of a claim should know: it accuses this node itself, in a version that was
   * refuted before, so it cannot have heard. Old accusations that others pass on are not answered;
   * they die out. Null: nothing.
   */
  reminderFor(sender: Sender, claim: Claim): Claim | null {
    if (claim.status === MemberStatus.ALIVE || this.#isLeaving) return null;
    const isOwnAccusation = claim.nodeId === this.#self.nodeId && claim.from === sender.nodeId;
    if (!isOwnAccusation || compareVersions(claim, this.#self) >= 0) return null;
    return { status: MemberStatus.ALIVE, node: this.#self };
  }

  /** Announces this node in its present version, as on start and after an answer to a stranger. */
  announceSelf(): void {
    this.#parts.outbox.broadcast({ status: MemberStatus.ALIVE, node: this.#self });
  }

  /** New metadata of this node; as every statement of its own, under a higher incarnation. */
  setMetadata(metadata: Uint8Array, nowMs: number): void {
    this.#restate({ ...this.#self, metadata, ...versionAbove(this.#self) }, nowMs);
  }

  /** Says farewell in this node's own name; from then on no claim about it is refuted. */
  leave(): void {
    this.#isLeaving = true;
    const { nodeId, startEpoch, incarnation } = this.#self;
    const status = MemberStatus.LEFT;
    this.#parts.outbox.broadcast({ status, nodeId, startEpoch, incarnation, from: nodeId });
  }

  /** Suspicions that are about to run out, or have. */
  handleTimeout(nowMs: number): void {
    const { table } = this.#parts;
    for (;;) {
      const suspicion = this.#suspicions.pollDue(nowMs);
      if (suspicion === null) return;
      const member = table.get(suspicion.nodeId)!;
      // The cluster may have grown or shrunk since the deadline was set.
      const isDue = suspicion.deadlineMs(table.liveCount) <= nowMs;
      if (isDue && suspicion.isCalled) {
        this.#applyEnd(this.#claimOf(member, MemberStatus.DEAD), nowMs);
        continue;
      }
      if (isDue) {
        suspicion.handleLastCall(nowMs);
        this.#accuseByStream(member);
      }
      this.#schedule(suspicion);
    }
  }

  /** This node slept: its suspicions get the time in which nothing could be heard. */
  handleStall(stallMs: number): void {
    for (const suspicion of this.#suspicionOf.values()) {
      suspicion.postpone(stallMs);
      this.#schedule(suspicion);
    }
  }

  #applyAlive(node: NodeDescription, nowMs: number): void {
    if (node.nodeId === this.#self.nodeId) {
      this.#applyOwnAlive(node, nowMs);
      return;
    }
    const { table, outbox, healing } = this.#parts;
    const known = table.get(node.nodeId);
    if (known === undefined && !this.#hasRoom()) return;
    if (known !== undefined && compareVersions(node, known) <= 0) return;
    const before = known === undefined ? null : { node: known.node, status: known.status };
    const neighbour = table.liveAt(node.address);
    if (before === null && neighbour !== undefined && isOlder(node, neighbour)) {
      // Old gossip about a process that has been replaced already.
      table.set(node, MemberStatus.LEFT, node, nowMs);
      return;
    }
    this.#forgetSuspicion(node.nodeId);
    const member = table.set(node, MemberStatus.ALIVE, node, nowMs);
    this.#takeTurns(node.nodeId);
    healing.handleAlive(node);
    outbox.broadcast({ status: MemberStatus.ALIVE, node });
    const change = aliveChange(before, node);
    if (change !== null) outbox.memberEvent(change, member);
    if (neighbour !== undefined) this.#replace(neighbour, node, nowMs);
  }

  /**
   * Two live members on one address: the older process must be gone, and says so by not answering;
   * it is told to have left, so that nobody waits for it. Should it live after all (an address
   * configured twice), it refutes, and the probes find out who answers there.
   */
  #replace(ghost: Member, successor: NodeDescription, nowMs: number): void {
    const ghostId = ghost.node.nodeId;
    if (ghostId === successor.nodeId || ghostId === this.#self.nodeId) return;
    if (!isOlder(ghost.node, { node: successor })) return;
    this.#end(ghost, this.#claimOf(ghost, MemberStatus.LEFT), MemberChange.REPLACED, nowMs);
  }

  #applySuspect(claim: StatusClaim, nowMs: number): void {
    const { table, outbox, healing } = this.#parts;
    const member = table.get(claim.nodeId);
    if (member === undefined) return;
    const order = compareVersions(claim, member);
    const wasLive = isLive(member.status);
    if (order < 0 || (order === 0 && !wasLive)) return;
    const suspicion = this.#suspicionOf.get(claim.nodeId);
    if (suspicion !== undefined && order === 0) {
      if (!suspicion.confirm(claim.from)) return;
      this.#schedule(suspicion);
      outbox.broadcast(claim);
      return;
    }
    const isNews = member.status !== MemberStatus.SUSPECT;
    table.set(member.node, MemberStatus.SUSPECT, claim, nowMs);
    this.#beginSuspicion(claim, nowMs);
    outbox.broadcast(claim);
    if (!wasLive) {
      // It came back in this version; that news was overtaken by the accusation.
      this.#takeTurns(claim.nodeId);
      healing.handleAlive(member.node);
      outbox.memberEvent(MemberChange.JOINED, member);
    }
    if (isNews) outbox.memberEvent(MemberChange.SUSPECTED, member);
  }

  /** Dead or left. */
  #applyEnd(claim: StatusClaim, nowMs: number): void {
    const member = this.#parts.table.get(claim.nodeId);
    if (member === undefined || !supersedes(claim, claim.status, member, member.status)) return;
    const hasLeft = claim.status === MemberStatus.LEFT;
    this.#end(member, claim, hasLeft ? MemberChange.LEFT : MemberChange.DEAD, nowMs);
  }

  #end(member: Member, claim: StatusClaim, change: MemberChange, nowMs: number): void {
    const { table, outbox, healing } = this.#parts;
    const wasLive = isLive(member.status);
    this.#forgetSuspicion(claim.nodeId);
    table.set(member.node, claim.status, claim, nowMs);
    if (claim.status === MemberStatus.DEAD) healing.handleDead(member, nowMs);
    else healing.handleLeft(claim.nodeId);
    outbox.broadcast(claim);
    if (wasLive) outbox.memberEvent(change, member);
  }

  /** A tombstone of somebody never met, against old gossip about it. */
  #bury(row: SyncRow, nowMs: number): void {
    const { table, parameters } = this.#parts;
    const { node, status, statusAgeMs } = row;
    if (statusAgeMs >= parameters.tombstoneMs || !this.#hasRoom()) return;
    table.set(node, status, row, nowMs - statusAgeMs);
  }

  /** Makes room at the cost of the oldest tombstone. */
  #hasRoom(): boolean {
    const { table, parameters } = this.#parts;
    if (table.size < parameters.membersMax || table.removeOldestTombstone()) return true;
    this.#ignoredForRoom += 1;
    return false;
  }

  #applyOwnAlive(node: NodeDescription, nowMs: number): void {
    const self = this.#self;
    if (node.startEpoch < self.startEpoch) return;
    const isOtherProcess = node.startEpoch > self.startEpoch || node.address !== self.address;
    // Same id in the same epoch: a copied data directory. The greater address stays.
    const isNewer = node.startEpoch > self.startEpoch || node.address > self.address;
    if (isOtherProcess && isNewer) this.#becomeDisplaced();
    else if (isOtherProcess || node.incarnation > self.incarnation) this.#refute(node, nowMs);
  }

  #applyToSelf(claim: StatusClaim, nowMs: number): void {
    if (claim.startEpoch > this.#self.startEpoch) this.#becomeDisplaced();
    else if (compareVersions(claim, this.#self) >= 0) {
      this.#refute(claim, nowMs);
      this.#answerAccuser(claim.from);
    }
  }

  #accuseByStream(member: Member): void {
    const claim = this.accusation(member);
    this.#parts.outbox.stream(member.node.address, { kind: MessageKind.CLAIM, claim });
  }

  /** The accuser hears of a refutation by stream too: its clock runs already. */
  #answerAccuser(accuserId: NodeId): void {
    const { table, outbox } = this.#parts;
    const accuser = table.get(accuserId);
    if (accuser === undefined || this.#isLeaving || accuserId === this.#self.nodeId) return;
    const claim = { status: MemberStatus.ALIVE, node: this.#self } as const;
    outbox.stream(accuser.node.address, { kind: MessageKind.CLAIM, claim });
  }

  /** Answers what is said of this node with a higher incarnation (SWIM §4.2). */
  #refute(seen: Version, nowMs: number): void {
    if (this.#isLeaving || this.#isDisplaced) return;
    const above = compareVersions(seen, this.#self) < 0 ? this.#self : seen;
    this.#restate({ ...this.#self, ...versionAbove(above) }, nowMs);
    this.#parts.awareness.handleRefutation();
    this.#parts.outbox.selfEvent(SelfChange.REFUTED);
  }

  #restate(self: NodeDescription, nowMs: number): void {
    this.#self = self;
    this.#parts.table.set(self, MemberStatus.ALIVE, self, nowMs);
    this.announceSelf();
  }

  #becomeDisplaced(): void {
    if (this.#isDisplaced) return;
    this.#isDisplaced = true;
    this.#parts.outbox.selfEvent(SelfChange.DISPLACED);
  }

  /** A live member is probed and gossiped to in its turn. */
  #takeTurns(nodeId: NodeId): void {
    for (const round of this.#parts.rounds) round.add(nodeId);
  }

  #beginSuspicion(claim: StatusClaim, nowMs: number): void {
    this.#forgetSuspicion(claim.nodeId);
    const { parameters, table } = this.#parts;
    const { nodeId, from } = claim;
    const suspicion = new Suspicion(parameters, nodeId, from, table.liveCount, nowMs);
    this.#suspicionOf.set(nodeId, suspicion);
    this.#schedule(suspicion);
  }

  #schedule(suspicion: Suspicion): void {
    const deadlineMs = suspicion.deadlineMs(this.#parts.table.liveCount);
    this.#suspicions.schedule(suspicion, deadlineMs);
  }

  #forgetSuspicion(nodeId: NodeId): void {
    const suspicion = this.#suspicionOf.get(nodeId);
    if (suspicion === undefined) return;
    this.#suspicions.cancel(suspicion);
    this.#suspicionOf.delete(nodeId);
  }

  #claimOf(
    member: Version & { readonly node: NodeDescription },
    status: StatusClaim["status"],
  ): StatusClaim {
    const { node, startEpoch, incarnation } = member;
    return { status, nodeId: node.nodeId, startEpoch, incarnation, from: this.#self.nodeId };
  }
}

/** What a newer alive claim means; null when it only repeats what is known in a higher version. */
function aliveChange(
  before: { readonly node: NodeDescription; readonly status: MemberStatus } | null,
  node: NodeDescription,
): MemberChange | null {
  if (before === null || !isLive(before.status)) return MemberChange.JOINED;
  if (before.node.startEpoch !== node.startEpoch) return MemberChange.RESTARTED;
  if (before.status === MemberStatus.SUSPECT) return MemberChange.REFUTED;
  const isSame =
    before.node.address === node.address &&
    before.node.protocolVersion === node.protocolVersion &&
    isEqualBytes(before.node.metadata, node.metadata);
  return isSame ? null : MemberChange.UPDATED;
}

/** Of two processes that had one address: `node` was there before the other. */
function isOlder(node: NodeDescription, other: { readonly node: NodeDescription }): boolean {
  const { startEpoch, nodeId } = other.node;
  if (node.startEpoch !== startEpoch) return node.startEpoch < startEpoch;
  return node.nodeId < nodeId;
}

function isEqualBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
