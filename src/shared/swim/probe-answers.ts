/**
 * The other side of probing: answers to pings, and probes on behalf of others (SWIM §3.1).
 *
 * A helper that hears nothing from the target says so with a nack, before the asker's period ends:
 * the asker then knows that its own network works and the target's does not (Lifeguard, LHA-Probe).
 */

import type { Prng } from "../base/prng.ts";
import { nackDelayMs } from "./formulas.ts";
import { MemberStatus } from "./member.ts";
import type { Membership } from "./membership.ts";
import type { Outbox } from "./outbox.ts";
import { MessageKind, type Ping, type PingRequest, type Sender } from "./swim-message.ts";
import type { SwimParameters } from "./swim-parameters.ts";

export type Channel = "packet" | "stream";

interface Errand {
  /** Where the ack or nack goes. */
  readonly askerAddress: string;
  readonly askerSequence: number;
  /** Infinity once the nack is sent; a late ack is still passed on. */
  nackAtMs: number;
  readonly forgetAtMs: number;
}

export interface ProbeAnswerParts {
  readonly parameters: SwimParameters;
  readonly prng: Prng;
  readonly outbox: Outbox;
  readonly membership: Membership;
}

/**
 * Errands at one time. In a sound cluster a member helps about three times per period and asker
 * that fails; 256 covers the first seconds after half of a large cluster vanished.
 */
const ERRANDS_MAX = 256;
const NEVER = Number.POSITIVE_INFINITY;

export class ProbeAnswers {
  readonly #parts: ProbeAnswerParts;
  /** By the sequence of the ping sent; oldest first, so deadlines ascend. */
  readonly #errands = new Map<number, Errand>();

  constructor(parts: ProbeAnswerParts) {
    this.#parts = parts;
  }

  get nextDeadlineMs(): number {
    let deadlineMs = NEVER;
    for (const { nackAtMs, forgetAtMs } of this.#errands.values()) {
      deadlineMs = Math.min(deadlineMs, nackAtMs, forgetAtMs);
    }
    return deadlineMs;
  }

  handlePing(ping: Ping, sender: Sender, channel: Channel): void {
    const { outbox, membership } = this.#parts;
    const { self } = membership;
    if (ping.target !== self.nodeId) {
      // Somebody else lived on this address. Who lives here now is the answer.
      const claim = { status: MemberStatus.ALIVE, node: self } as const;
      outbox.packet(sender.address, [{ kind: MessageKind.CLAIM, claim }], self.nodeId);
      return;
    }
    const ack = { kind: MessageKind.ACK, sequence: ping.sequence } as const;
    if (channel === "stream") {
      outbox.stream(sender.address, ack);
      return;
    }
    const claim = membership.objectionTo(sender);
    const objection = claim === null ? [] : [{ kind: MessageKind.CLAIM, claim }];
    outbox.packet(sender.address, [ack, ...objection], claim === null ? null : sender.nodeId);
  }

  handlePingRequest(request: PingRequest, sender: Sender, nowMs: number): void {
    const { parameters, prng, outbox } = this.#parts;
    const { target, targetAddress } = request;
    const askerSequence = request.sequence;
    if (this.#errands.size >= ERRANDS_MAX) {
      outbox.packet(sender.address, [{ kind: MessageKind.NACK, sequence: askerSequence }]);
      return;
    }
    const sequence = prng.u32();
    const nackAtMs = nowMs + nackDelayMs(parameters.probeTimeoutMs);
    const forgetAtMs = nowMs + parameters.probeIntervalMs;
    const askerAddress = sender.address;
    this.#errands.set(sequence, { askerAddress, askerSequence, nackAtMs, forgetAtMs });
    outbox.packet(targetAddress, [{ kind: MessageKind.PING, sequence, target }]);
  }

  /** Passes an ack on to the asker. Acks of this node's own probes are not known here. */
  handleAck(sequence: number): void {
    const errand = this.#errands.get(sequence);
    if (errand === undefined) return;
    this.#errands.delete(sequence);
    const ack = { kind: MessageKind.ACK, sequence: errand.askerSequence } as const;
    this.#parts.outbox.packet(errand.askerAddress, [ack]);
  }

  handleTimeout(nowMs: number): void {
    for (const [sequence, errand] of this.#errands) {
      if (nowMs >= errand.nackAtMs) {
        errand.nackAtMs = NEVER;
        const nack = { kind: MessageKind.NACK, sequence: errand.askerSequence } as const;
        this.#parts.outbox.packet(errand.askerAddress, [nack]);
      }
      if (nowMs >= errand.forgetAtMs) this.#errands.delete(sequence);
    }
  }
}
