/**
 * The failure detector: one member is probed per period (SWIM §3.1, Lifeguard's LHA-Probe).
 *
 * ```
 *  period start          timeout                                   period end
 *  PING ─────────────────▶ no ack: PING_REQUEST to k helpers  ─────▶ still none: suspect
 *                          and PING by stream
 *           ack ▶ well, score - 1      ack, by whichever way ▶ well     missing nacks ▶ score + n
 * ```
 *
 * Both times stretch with this member's own awareness. A probe to a suspect carries the accusation,
 * so that it learns of it and can refute at once (Lifeguard, Buddy System).
 */

import type { Prng } from "../base/prng.ts";
import type { Awareness } from "./awareness.ts";
import { MemberStatus, type NodeId } from "./member.ts";
import type { MemberRounds } from "./member-rounds.ts";
import type { Member, MemberTable } from "./member-table.ts";
import type { Membership } from "./membership.ts";
import type { Outbox } from "./outbox.ts";
import { MessageKind, type SwimMessage } from "./swim-message.ts";
import type { SwimParameters } from "./swim-parameters.ts";

export interface ProberParts {
  readonly parameters: SwimParameters;
  readonly prng: Prng;
  readonly table: MemberTable;
  readonly outbox: Outbox;
  readonly probeRounds: MemberRounds;
  readonly awareness: Awareness;
  readonly membership: Membership;
}

interface Probe {
  readonly target: NodeId;
  readonly sequence: number;
  /** When helpers are asked; Infinity once they are. */
  timeoutAtMs: number;
  helpers: number;
  nacks: number;
  isAcked: boolean;
}

const NEVER = Number.POSITIVE_INFINITY;

export class Prober {
  readonly #parts: ProberParts;
  #probe: Probe | null = null;
  #nextProbeMs: number;
  #isStopped = false;

  /** The first probe comes at a random moment of the first period, so that nodes do not march. */
  constructor(parts: ProberParts, nowMs: number) {
    this.#parts = parts;
    this.#nextProbeMs = nowMs + parts.prng.fraction() * parts.parameters.probeIntervalMs;
  }

  get nextDeadlineMs(): number {
    if (this.#isStopped) return NEVER;
    return Math.min(this.#probe?.timeoutAtMs ?? NEVER, this.#nextProbeMs);
  }

  /** A leaving member accuses nobody any more. */
  stop(): void {
    this.#isStopped = true;
    this.#probe = null;
  }

  handleAck(sequence: number, nowMs: number): void {
    const probe = this.#probe;
    if (probe === null || probe.sequence !== sequence || probe.isAcked) return;
    probe.isAcked = true;
    // Only a prompt direct ack says that this member itself is quick.
    if (probe.timeoutAtMs !== NEVER) this.#parts.awareness.handleAck();
    probe.timeoutAtMs = NEVER;
    this.#parts.membership.handleAck(probe.target, nowMs);
  }

  handleNack(sequence: number): void {
    const probe = this.#probe;
    if (probe !== null && probe.sequence === sequence && probe.nacks < probe.helpers) {
      probe.nacks += 1;
    }
  }

  /** This node slept; an ack may lie unread, so the running probe proves nothing. */
  handleStall(): void {
    this.#probe = null;
  }

  handleTimeout(nowMs: number): void {
    if (this.#isStopped) return;
    const probe = this.#probe;
    if (probe !== null && nowMs >= probe.timeoutAtMs) this.#askOthers(probe);
    if (nowMs < this.#nextProbeMs) return;
    if (probe !== null) this.#conclude(probe, nowMs);
    this.#begin(nowMs);
  }

  #begin(nowMs: number): void {
    const { parameters, table, probeRounds, awareness, prng } = this.#parts;
    const target = probeRounds.next((nodeId) => table.isLive(nodeId));
    const periodMs = awareness.scale(parameters.probeIntervalMs);
    this.#nextProbeMs = nowMs + periodMs;
    this.#probe = null;
    if (target === null) return;
    const sequence = prng.u32();
    const timeoutAtMs = nowMs + awareness.scale(parameters.probeTimeoutMs);
    this.#probe = { target, sequence, timeoutAtMs, helpers: 0, nacks: 0, isAcked: false };
    this.#ping(table.get(target)!, sequence);
  }

  #ping(target: Member, sequence: number): void {
    const { nodeId, address } = target.node;
    const ping: SwimMessage = { kind: MessageKind.PING, sequence, target: nodeId };
    if (target.status !== MemberStatus.SUSPECT) {
      this.#parts.outbox.packet(address, [ping]);
      return;
    }
    const claim = this.#parts.membership.accusation(target);
    this.#parts.outbox.packet(address, [ping, { kind: MessageKind.CLAIM, claim }], nodeId);
  }

  /** Helpers by packet, and this node itself by stream: two ways that fail independently. */
  #askOthers(probe: Probe): void {
    const { parameters, prng, table, outbox, membership } = this.#parts;
    probe.timeoutAtMs = NEVER;
    const target = table.get(probe.target);
    if (target === undefined || !table.isLive(probe.target)) return;
    const { sequence } = probe;
    const { nodeId, address } = target.node;
    const selfId = membership.self.nodeId;
    const helpers = table.pick(parameters.indirectProbes, prng, ({ node, status }) => {
      return node.nodeId !== selfId && node !== target.node && status === MemberStatus.ALIVE;
    });
    const kind = MessageKind.PING_REQUEST;
    const request = { kind, sequence, target: nodeId, targetAddress: address };
    for (const helper of helpers) outbox.packet(helper.node.address, [request]);
    probe.helpers = helpers.length;
    outbox.stream(address, { kind: MessageKind.PING, sequence, target: nodeId });
  }

  #conclude(probe: Probe, nowMs: number): void {
    if (probe.isAcked) return;
    const { table, awareness, membership } = this.#parts;
    const target = table.get(probe.target);
    // It left, died or was replaced meanwhile.
    if (target === undefined || !table.isLive(probe.target)) return;
    awareness.handleFailedProbe(probe.helpers, probe.helpers - probe.nacks);
    membership.suspect(target, nowMs);
  }
}
