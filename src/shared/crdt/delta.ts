/**
 * What replicas tell each other: a delta is a piece of state, a summary a table of contents.
 *
 * A delta speaks about the dots of its context, and only about them: those that stand among its
 * entries are alive, all others are dead. A whole state is the delta about everything ever seen, so
 * merging states and merging deltas are the same operation.
 */

import type { CausalContext, Dot } from "./causal-context.ts";
import type { HlcStamp } from "./hlc.ts";

/** One value written to one key by one write. Immutable: the dot names it for ever. */
export interface OrMapEntry extends Dot {
  readonly key: string;
  readonly stamp: HlcStamp;
  readonly value: Uint8Array;
}

export interface Delta {
  readonly entries: readonly OrMapEntry[];
  /** Holds the dots of all entries. */
  readonly context: CausalContext;
}

export interface Summary {
  /** Every dot ever seen. */
  readonly seen: CausalContext;
  /** Those that are alive: a subset. */
  readonly live: CausalContext;
}

/** Sums over the live dots; equal states have equal digests. */
export interface CrdtDigest {
  readonly liveCount: number;
  readonly sumA: number;
  readonly sumB: number;
}
