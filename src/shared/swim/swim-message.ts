/**
 * What members say to each other, as values. The bytes are drawn in swim-layout.ts.
 *
 * Two channels: packets (datagrams: small, may be lost) and streams (reliable, of any size,
 * dearer). Everything but `Sync` may travel on both; the ack of a probe goes back on the channel
 * that the probe came by.
 */

import type { Claim, MemberStatus, NodeDescription, NodeId, Version } from "./member.ts";

export const MessageKind = {
  PING: 1,
  PING_REQUEST: 2,
  ACK: 3,
  NACK: 4,
  HEAL: 5,
  DIGEST: 6,
  SYNC: 7,
  CLAIM: 16,
} as const;

/** "Are you there, `target`?" Whoever else lives on the address now must not answer in its name. */
export interface Ping {
  readonly kind: typeof MessageKind.PING;
  readonly sequence: number;
  readonly target: NodeId;
}

/** "Ask `target` for me", answered by an ack or a nack with the asker's sequence. */
export interface PingRequest {
  readonly kind: typeof MessageKind.PING_REQUEST;
  readonly sequence: number;
  readonly target: NodeId;
  readonly targetAddress: string;
}

export interface Ack {
  readonly kind: typeof MessageKind.ACK;
  readonly sequence: number;
}

/** A helper is well, but has no answer from the target. */
export interface Nack {
  readonly kind: typeof MessageKind.NACK;
  readonly sequence: number;
}

/** "You, `expected`, count as dead here, in this version." Sent to the healing list. */
export interface Heal extends Version {
  readonly kind: typeof MessageKind.HEAL;
  readonly expected: NodeId;
}

/** Sums over all live members; two members whose digests differ exchange their lists. */
export interface Digest {
  readonly kind: typeof MessageKind.DIGEST;
  readonly liveCount: number;
  readonly sumA: number;
  readonly sumB: number;
}

/** One member as the sender of a `Sync` knows it; the version may be above the description's. */
export interface SyncRow extends Version {
  readonly node: NodeDescription;
  readonly status: MemberStatus;
  /** For how long it has had the status: a tombstone that is handed on gets no new life. */
  readonly statusAgeMs: number;
}

/** The sender's whole member list, tombstones included. */
export interface Sync {
  readonly kind: typeof MessageKind.SYNC;
  /** The receiver is to answer with its own list (push/pull). */
  readonly isReplyWanted: boolean;
  /** Echoed in the answer; tells a joining member which of its seeds answered. 0 = no seed. */
  readonly token: number;
  readonly rows: readonly SyncRow[];
}

export interface ClaimMessage {
  readonly kind: typeof MessageKind.CLAIM;
  readonly claim: Claim;
}

export type SwimMessage = Ping | PingRequest | Ack | Nack | Heal | Digest | Sync | ClaimMessage;

/** Who sent a packet. */
export interface Sender {
  readonly nodeId: NodeId;
  /** Where answers go. */
  readonly address: string;
}

export interface SwimPacket {
  readonly sender: Sender;
  readonly messages: readonly SwimMessage[];
}

/** Why bytes are no packet of this cluster. */
export const PacketFault = {
  /** The seal does not open: another cluster key, or forged. */
  SEALED: 1,
  MALFORMED: 2,
  /** A newer protocol than this build speaks. */
  WRONG_VERSION: 3,
  WRONG_CLUSTER: 4,
} as const;
export type PacketFault = (typeof PacketFault)[keyof typeof PacketFault];
