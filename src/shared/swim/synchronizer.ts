/**
 * Whole member lists between two members (push/pull): for joining, after a partition, and now and
 * then for what gossip missed.
 *
 *   join          SYNC(reply wanted) ──▶ seed ──▶ SYNC        retried until a seed has answered
 *   anti-entropy  DIGEST ──▶ random member: equal? nothing : SYNC(reply wanted) ──▶ ──▶ SYNC
 *   heal          HEAL ──▶ one held dead: refutes, SYNC(reply wanted) ──▶ caller ──▶ SYNC
 *   forgetful     PING ──▶ one that knows nobody: SYNC(reply wanted) ──▶ prober ──▶ SYNC
 *
 * The digest makes the common case cost 13 bytes instead of the list.
 */

import type { Prng } from "../base/prng.ts";
import { antiEntropyScale, backoffMs } from "./formulas.ts";
import { MemberStatus } from "./member.ts";
import type { MemberTable } from "./member-table.ts";
import type { Membership } from "./membership.ts";
import type { Outbox } from "./outbox.ts";
import {
  type Digest,
  type Heal,
  MessageKind,
  type Sender,
  type Sync,
  type SyncRow,
} from "./swim-message.ts";
import type { SwimParameters } from "./swim-parameters.ts";

export interface SynchronizerParts {
  readonly parameters: SwimParameters;
  readonly prng: Prng;
  readonly table: MemberTable;
  readonly outbox: Outbox;
  readonly membership: Membership;
}

interface ListCall {
  readonly address: string;
  readonly token: number;
  readonly isReplyWanted: boolean;
}

interface Seed {
  readonly address: string;
  readonly token: number;
  readonly giveUpMs: number;
  attempts: number;
  nextCallMs: number;
}

const NEVER = Number.POSITIVE_INFINITY;
/** Token of a list that answers no seed's call. */
const NO_SEED = 0;

export class Synchronizer {
  readonly #parts: SynchronizerParts;
  readonly #seeds = new Map<string, Seed>();
  #nextComparisonMs: number;
  #nextCalledListMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(parts: SynchronizerParts, nowMs: number) {
    this.#parts = parts;
    this.#nextComparisonMs = nowMs + parts.parameters.antiEntropyIntervalMs * parts.prng.fraction();
  }

  get nextDeadlineMs(): number {
    if (this.#isStopped) return NEVER;
    let deadlineMs = this.#nextComparisonMs;
    for (const { nextCallMs } of this.#seeds.values()) {
      deadlineMs = Math.min(deadlineMs, nextCallMs);
    }
    return deadlineMs;
  }

  /** Seeds that have not answered yet. */
  get waitingSeeds(): number {
    return this.#seeds.size;
  }

  stop(): void {
    this.#isStopped = true;
    this.#seeds.clear();
  }

  /** Calls each address until it answers or is given up; asking again for one starts anew. */
  join(addresses: readonly string[], nowMs: number): void {
    const { parameters, prng, membership } = this.#parts;
    for (const address of addresses) {
      if (address === membership.self.address) continue;
      if (this.#seeds.size >= parameters.seedsMax && !this.#seeds.has(address)) return;
      const giveUpMs = nowMs + parameters.joinGiveUpMs;
      const token = 1 + prng.below(0xffff_ffff);
      this.#seeds.set(address, { address, token, giveUpMs, attempts: 0, nextCallMs: nowMs });
    }
  }

  /**
   * Members came or went. Gossip tells all but one in ten thousand or so; a comparison once the
   * news has settled finds that one, long before the next regular comparison would.
   */
  handleListChanged(nowMs: number): void {
    const { parameters, prng } = this.#parts;
    const settleMs = parameters.settleRounds * parameters.gossipIntervalMs * this.#scale;
    const comparisonMs = nowMs + settleMs * (1 + prng.fraction());
    this.#nextComparisonMs = Math.min(this.#nextComparisonMs, comparisonMs);
  }

  handleDigest(digest: Digest, sender: Sender, nowMs: number): void {
    const own = this.#parts.table.digest;
    const isEqual =
      own.liveCount === digest.liveCount && own.sumA === digest.sumA && own.sumB === digest.sumB;
    if (isEqual) return;
    this.#sendList({ address: sender.address, token: NO_SEED, isReplyWanted: true }, nowMs);
  }

  handleSync(sync: Sync, sender: Sender, nowMs: number): void {
    const { membership } = this.#parts;
    for (const seed of this.#seeds.values()) {
      if (seed.token === sync.token) this.#seeds.delete(seed.address);
    }
    const { nodeId, address } = membership.self;
    // A seed list that names this node under another of its addresses.
    if (sender.nodeId === nodeId && sender.address === address) return;
    for (const row of sync.rows) membership.applyRow(row, sender.nodeId, nowMs);
    if (!sync.isReplyWanted) return;
    this.#sendList({ address: sender.address, token: sync.token, isReplyWanted: false }, nowMs);
  }

  /** The caller holds this node, or one that lived here before, for dead. */
  handleHeal(heal: Heal, sender: Sender, nowMs: number): void {
    const { outbox, membership } = this.#parts;
    const { expected, startEpoch, incarnation } = heal;
    if (expected === membership.self.nodeId) {
      const status = MemberStatus.DEAD;
      const from = sender.nodeId;
      membership.apply({ status, nodeId: expected, startEpoch, incarnation, from }, nowMs);
    }
    const claim = { status: MemberStatus.ALIVE, node: membership.self } as const;
    const told = membership.self.nodeId;
    outbox.packet(sender.address, [{ kind: MessageKind.CLAIM, claim }], told);
    if (expected === told) this.#exchangeLists(sender, nowMs);
  }

  /**
   * This node is probed. If it knows nobody, the prober knows it from the life before: it came back
   * on its address before anybody missed it, and has no seed to ask.
   */
  handleProbed(sender: Sender, nowMs: number): void {
    if (this.#parts.table.liveCount === 1 && !this.#isStopped) this.#exchangeLists(sender, nowMs);
  }

  handleTimeout(nowMs: number): void {
    if (this.#isStopped) return;
    for (const seed of this.#seeds.values()) {
      if (nowMs >= seed.giveUpMs) this.#seeds.delete(seed.address);
      else if (nowMs >= seed.nextCallMs) this.#call(seed, nowMs);
    }
    if (nowMs >= this.#nextComparisonMs) this.#compare(nowMs);
  }

  #call(seed: Seed, nowMs: number): void {
    const { joinRetryMs, joinRetryMaxMs } = this.#parts.parameters;
    const pauseMs = backoffMs(seed.attempts, joinRetryMs, joinRetryMaxMs);
    // Up to a tenth more, so that nodes started together do not call together.
    seed.nextCallMs = nowMs + pauseMs * (1 + this.#parts.prng.fraction() / 10);
    seed.attempts += 1;
    this.#sendList({ address: seed.address, token: seed.token, isReplyWanted: true }, nowMs);
  }

  #compare(nowMs: number): void {
    const { parameters, prng, table, outbox, membership } = this.#parts;
    this.#nextComparisonMs = nowMs + parameters.antiEntropyIntervalMs * this.#scale;
    const selfId = membership.self.nodeId;
    const [partner] = table.pick(1, prng, ({ node, status }) => {
      return node.nodeId !== selfId && status === MemberStatus.ALIVE;
    });
    if (partner === undefined) return;
    outbox.stream(partner.node.address, { kind: MessageKind.DIGEST, ...table.digest });
  }

  get #scale(): number {
    const { parameters, table } = this.#parts;
    return antiEntropyScale(table.liveCount, parameters.antiEntropyThreshold);
  }

  /** Many may call at once; one whole list per gossip round spreads the news as fast. */
  #exchangeLists(caller: Sender, nowMs: number): void {
    if (nowMs < this.#nextCalledListMs) return;
    this.#nextCalledListMs = nowMs + this.#parts.parameters.gossipIntervalMs;
    this.#sendList({ address: caller.address, token: NO_SEED, isReplyWanted: true }, nowMs);
  }

  #sendList(call: ListCall, nowMs: number): void {
    const { address, token, isReplyWanted } = call;
    const { table, outbox } = this.#parts;
    const rows: SyncRow[] = [];
    for (const { node, status, startEpoch, incarnation, statusSinceMs } of table.members()) {
      rows.push({ node, status, startEpoch, incarnation, statusAgeMs: nowMs - statusSinceMs });
    }
    outbox.stream(address, { kind: MessageKind.SYNC, isReplyWanted, token, rows });
  }
}
