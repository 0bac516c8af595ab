/**
 * One membership core under a magnifying glass: messages in as values, everything it sends decoded.
 */

import { Prng } from "../../../src/shared/base/prng.ts";
import { decodePacket } from "../../../src/shared/swim/decode-swim.ts";
import { encodeHeader, encodeMessage, joinParts } from "../../../src/shared/swim/encode-swim.ts";
import type { Claim, MemberStatus, NodeDescription } from "../../../src/shared/swim/member.ts";
import { Swim, type SwimOptions } from "../../../src/shared/swim/swim.ts";
import {
  MessageKind,
  type SwimMessage,
  type SwimPacket,
} from "../../../src/shared/swim/swim-message.ts";
import type { MemberEvent } from "../../../src/shared/swim/swim-output.ts";
import { SWIM_DEFAULTS, type SwimParameters } from "../../../src/shared/swim/swim-parameters.ts";

const CLUSTER = "test";
export const EPOCH = 1_700_000_000_000;

export interface Sent {
  readonly channel: "packet" | "stream";
  readonly address: string;
  readonly message: SwimMessage;
}

/** Description of the member with this number, in its first life. */
export function nodeNumber(
  number: number,
  changes: Partial<NodeDescription> = {},
): NodeDescription {
  return {
    nodeId: `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`,
    startEpoch: EPOCH,
    incarnation: 0,
    address: `10.0.0.${number}:7946`,
    protocolVersion: 1,
    metadata: new Uint8Array(0),
    ...changes,
  };
}

export function alive(node: NodeDescription): Claim {
  return { status: 0, node };
}

/** `from` says that `node` is suspect (1), dead (2) or has left (3). */
export function claim(status: 1 | 2 | 3, node: NodeDescription, from: NodeDescription): Claim {
  const { nodeId, startEpoch, incarnation } = node;
  return { status, nodeId, startEpoch, incarnation, from: from.nodeId };
}

export class TestNode {
  readonly swim: Swim;
  nowMs = 1_000;
  #sent: Sent[] = [];
  #events: string[] = [];
  readonly #lastPackets = new Map<string, readonly SwimMessage[]>();

  /** Node 0, which knows nodes 1 to `others`. */
  constructor(
    others: number,
    changes: Partial<SwimParameters> = {},
    options: Partial<SwimOptions> = {},
  ) {
    const { nodeId, address } = nodeNumber(0);
    const parameters = { ...SWIM_DEFAULTS, ...changes };
    const knownNodes = Array.from({ length: others }, (_none, index) => nodeNumber(index + 1));
    const fixed = { clusterName: CLUSTER, nodeId, address, startEpoch: EPOCH };
    const all = { ...fixed, parameters, knownNodes, ...options };
    this.swim = new Swim(all, this.nowMs, new Prng(1));
  }

  /** Messages from `from` in one packet or stream frame. */
  hear(
    from: NodeDescription,
    content: SwimMessage[],
    channel: "packet" | "stream" = "packet",
  ): void {
    const header = encodeHeader(CLUSTER, from);
    const bytes = joinParts([header, ...content.map(encodeMessage)]);
    if (channel === "packet") this.swim.handlePacket(bytes, this.nowMs);
    else this.swim.handleStream(bytes, this.nowMs);
    this.collect();
  }

  hearClaims(from: NodeDescription, ...claims: Claim[]): void {
    this.hear(
      from,
      claims.map((each) => ({ kind: MessageKind.CLAIM, claim: each })),
    );
  }

  /** Lets time pass, timers running when they are due. */
  pass(forMs: number): void {
    const endMs = this.nowMs + forMs;
    while (this.swim.nextDeadlineMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.swim.nextDeadlineMs);
      this.swim.handleTimeout(this.nowMs);
      this.collect();
    }
    this.nowMs = endMs;
  }

  /** Takes in what the core wants done, for `sent` and `events`. */
  collect(): void {
    for (const output of this.swim.drain()) {
      if (output.kind === "member") this.#events.push(describeEvent(output));
      else if (output.kind === "self") this.#events.push(`self ${output.change}`);
      else {
        const { kind, address, bytes } = output;
        const packet = decodePacket(bytes, CLUSTER) as SwimPacket;
        this.#lastPackets.set(address, packet.messages);
        for (const message of packet.messages) this.#sent.push({ channel: kind, address, message });
      }
    }
  }

  /** Everything sent since the last call, message by message. */
  sent(): Sent[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** What happened since the last call: "suspected 3", "self refuted". */
  events(): string[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  lastPacketTo(address: string): readonly SwimMessage[] {
    return this.#lastPackets.get(address) ?? [];
  }

  statusOf(number: number): MemberStatus | undefined {
    return this.swim.member(nodeNumber(number).nodeId)?.status;
  }

  /** Sent messages of one kind. */
  sentOf<K extends SwimMessage["kind"]>(kind: K): (Sent & { message: { kind: K } })[] {
    return this.sent().filter((each) => each.message.kind === kind) as (Sent & {
      message: { kind: K };
    })[];
  }
}

function describeEvent(event: MemberEvent): string {
  return `${event.change} ${Number.parseInt(event.member.node.nodeId.slice(-4), 16)}`;
}
