/** What the anti-entropy of two nodes says to each other, as values; bytes in crdt-codec.ts. */

import type { CrdtDigest, Delta, Summary } from "./delta.ts";

export const CrdtMessageKind = {
  /** "Is your state the same as mine?" */
  PROBE: 1,
  /** "It is." */
  SAME: 2,
  /** "It is not, here is my table of contents." */
  SUMMARY: 3,
  DELTA: 4,
  ACK: 5,
} as const;

export interface CrdtProbe {
  readonly kind: typeof CrdtMessageKind.PROBE;
  readonly digest: CrdtDigest;
}

export interface CrdtSame {
  readonly kind: typeof CrdtMessageKind.SAME;
}

export interface CrdtSummary extends Summary {
  readonly kind: typeof CrdtMessageKind.SUMMARY;
  /** The receiver sends its own if it lacks something; an answer is not answered again. */
  readonly isReplyWanted: boolean;
}

export interface CrdtDelta {
  readonly kind: typeof CrdtMessageKind.DELTA;
  /** Of this sender's deltas to this receiver; 0 wants no ack. */
  readonly index: number;
  readonly delta: Delta;
}

export interface CrdtAck {
  readonly kind: typeof CrdtMessageKind.ACK;
  readonly index: number;
}

export type CrdtMessage = CrdtProbe | CrdtSame | CrdtSummary | CrdtDelta | CrdtAck;
