/**
 * What the cluster knows of one node, and which of two statements about it is newer.
 *
 * A statement carries a version (startEpoch, incarnation), compared in that order. The epoch is
 * drawn at each start of the process, above all earlier ones of this node (the shell stores it), so
 * a new life supersedes the old one wherever both are heard of, without a round of refutation; the
 * incarnation is raised within one life, by the node itself and nobody else (SWIM §4.2), to refute.
 * At equal versions the graver status wins:
 *
 * ```
 *    ALIVE ──▶ SUSPECT ──▶ DEAD ──▶ LEFT        at one version only to the right
 *      ▲          │          │        │
 *      └──────────┴──────────┴────────┘         to the left only with a higher version
 * ```
 *
 * So statements form a join semilattice: members that heard the same set agree, in whatever order
 * they heard it.
 */

/** UUID in lower-case text, stored by the node; addresses are mere attributes. */
export type NodeId = string;

export const MemberStatus = {
  ALIVE: 0,
  /** Accused of not answering; counts as a member until the suspicion ends. */
  SUSPECT: 1,
  /** Did not refute in time. On the healing list. */
  DEAD: 2,
  /** Said so itself, or was replaced on its address. Not a failure. */
  LEFT: 3,
} as const;
export type MemberStatus = (typeof MemberStatus)[keyof typeof MemberStatus];

export interface Version {
  /** Grows with each start of the process: max(stored + 1, wall clock in ms). 0..2^48-1. */
  readonly startEpoch: number;
  /** Grows with each refutation in one life. 0..2^32-1. */
  readonly incarnation: number;
}

/** What a node says of itself. Immutable, shared by whoever holds it. */
export interface NodeDescription extends Version {
  readonly nodeId: NodeId;
  /** Where its gossip port is, as the transport writes addresses. 1..255 bytes of UTF-8. */
  readonly address: string;
  /** Highest protocol version that the node speaks. */
  readonly protocolVersion: number;
  /**
   * Opaque to this layer (ports of other services, zone). At most 512 bytes; must not be changed.
   */
  readonly metadata: Uint8Array;
}

/** A node says that it is alive, and what it is. */
export interface AliveClaim {
  readonly status: typeof MemberStatus.ALIVE;
  readonly node: NodeDescription;
}

/** `from` says that the node, in the life and incarnation given, is suspect, dead or has left. */
export interface StatusClaim extends Version {
  readonly status: Exclude<MemberStatus, typeof MemberStatus.ALIVE>;
  readonly nodeId: NodeId;
  readonly from: NodeId;
}

/** What members tell each other about members. */
export type Claim = AliveClaim | StatusClaim;

export const START_EPOCH_MAX = 2 ** 48 - 1;
export const INCARNATION_MAX = 2 ** 32 - 1;
export const ADDRESS_BYTES_MAX = 255;
export const METADATA_BYTES_MAX = 512;

/** Negative, zero or positive, as `left` is older than, the same as, or newer than `right`. */
export function compareVersions(left: Version, right: Version): number {
  if (left.startEpoch !== right.startEpoch) return left.startEpoch - right.startEpoch;
  return left.incarnation - right.incarnation;
}

/** True when a statement supersedes what is known. */
export function supersedes(
  claimed: Version,
  claimedStatus: MemberStatus,
  known: Version,
  knownStatus: MemberStatus,
): boolean {
  const order = compareVersions(claimed, known);
  return order > 0 || (order === 0 && claimedStatus > knownStatus);
}

/**
 * The version with which a node answers a claim of version `seen` about itself. After the last
 * incarnation a new epoch begins; nobody gets there by refuting, only by being lied to.
 */
export function versionAbove(seen: Version): Version {
  if (seen.incarnation < INCARNATION_MAX) {
    return { startEpoch: seen.startEpoch, incarnation: seen.incarnation + 1 };
  }
  return { startEpoch: Math.min(seen.startEpoch + 1, START_EPOCH_MAX), incarnation: 0 };
}

/** Whom a claim is about: an alive claim carries it inside its description. */
export function subjectOf(claim: Claim): NodeId {
  return claim.status === MemberStatus.ALIVE ? claim.node.nodeId : claim.nodeId;
}

/** Alive or suspect: to be probed, gossiped to and counted. */
export function isLive(status: MemberStatus): boolean {
  return status <= MemberStatus.SUSPECT;
}
