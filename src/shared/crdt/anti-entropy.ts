/**
 * Keeps the OrMaps of all nodes equal: changes flow to the neighbours as acknowledged deltas and
 * on from there, and comparisons find whatever that missed.
 *
 * ```
 *  local write ─▶ handleLocal ─┐
 *  message     ─▶ handleMessage ┼─▶ links, OrMap ─▶ drain(): send bytes to replica; keys that changed
 *  SWIM        ─▶ handleLiving ─┘                 ─▶ nextDeadlineMs, handleTimeout
 * ```
 *
 * Each merge passes on only what was new to this node, so a delta dies out where it is known and a
 * cycle of links does no harm. The messages travel on reliable links between nodes; losing,
 * doubling or reordering them costs time, never agreement.
 * Thread: main. Scope: one per node.
 */

import type { Prng } from "../base/prng.ts";
import {
  ANTI_ENTROPY_DEFAULTS,
  type AntiEntropyParameters,
  assertAntiEntropyParameters,
} from "./anti-entropy-parameters.ts";
import type { CausalContext, ReplicaId } from "./causal-context.ts";
import { Compaction } from "./compaction.ts";
import { decodeCrdt, encodeCrdt } from "./crdt-codec.ts";
import {
  type CrdtDelta,
  type CrdtMessage,
  CrdtMessageKind,
  type CrdtProbe,
  type CrdtSummary,
} from "./crdt-message.ts";
import type { Delta } from "./delta.ts";
import { compareStamps, type HlcStamp } from "./hlc.ts";
import { NeighbourLink } from "./neighbour-link.ts";
import { neighboursOf } from "./neighbours.ts";
import type { OrMap } from "./or-map.ts";

/** Send `bytes` to the node that lives as `replica`. */
export interface CrdtSend {
  readonly kind: "send";
  readonly replica: ReplicaId;
  readonly bytes: Uint8Array;
}

/** Values of `keys` came or went by somebody else's doing. */
export interface CrdtChange {
  readonly kind: "change";
  readonly keys: ReadonlySet<string>;
  /** The highest stamp among what came, for HybridClock.observe; null when values only went. */
  readonly latestStamp: HlcStamp | null;
}

export type CrdtOutput = CrdtSend | CrdtChange;

export class AntiEntropy {
  readonly #map: OrMap;
  readonly #parameters: AntiEntropyParameters;
  readonly #prng: Prng;
  readonly #compaction: Compaction;
  readonly #links = new Map<ReplicaId, NeighbourLink>();
  #outputs: CrdtOutput[] = [];
  #malformed = 0;

  constructor(map: OrMap, prng: Prng, parameters: AntiEntropyParameters = ANTI_ENTROPY_DEFAULTS) {
    assertAntiEntropyParameters(parameters);
    this.#map = map;
    this.#prng = prng;
    this.#parameters = parameters;
    this.#compaction = new Compaction(map, parameters.retentionMs);
  }

  get neighbours(): ReplicaId[] {
    return [...this.#links.keys()];
  }

  /** True when no neighbour is known to lack anything. */
  get isIdle(): boolean {
    return [...this.#links.values()].every((link) => link.isIdle);
  }

  /** Messages that were dropped because they are none. */
  get malformedMessages(): number {
    return this.#malformed;
  }

  get nextDeadlineMs(): number {
    let deadlineMs = this.#compaction.nextDeadlineMs;
    for (const link of this.#links.values()) {
      deadlineMs = Math.min(deadlineMs, link.nextDeadlineMs);
    }
    return deadlineMs;
  }

  /** Everything since the last call, in order. */
  drain(): CrdtOutput[] {
    const outputs = this.#outputs;
    if (outputs.length > 0) this.#outputs = [];
    return outputs;
  }

  /** The replicas that live now, this one among them or not: links and compaction follow. */
  handleLiving(living: ReadonlySet<ReplicaId>, nowMs: number): void {
    this.#compaction.handleLiving(living, nowMs);
    const wanted = neighboursOf(this.#map.replica, living);
    for (const replica of this.#links.keys()) {
      if (!wanted.has(replica)) this.#links.delete(replica);
    }
    for (const replica of wanted) {
      if (this.#links.has(replica)) continue;
      const send = (bytes: Uint8Array) => this.#send(replica, bytes);
      const link = new NeighbourLink(this.#map, this.#parameters, this.#prng, send, nowMs);
      this.#links.set(replica, link);
    }
  }

  /** This node wrote: the answer of OrMap.put, remove or adopt. */
  handleLocal(touched: CausalContext, nowMs: number): void {
    this.#offerToAll(touched, null, nowMs);
  }

  /** From any node, neighbour or not (lists of the living differ for moments). */
  handleMessage(from: ReplicaId, bytes: Uint8Array, nowMs: number): void {
    const message = decodeCrdt(bytes);
    if (message === null) this.#malformed += 1;
    else this.#handle(from, message, nowMs);
  }

  handleTimeout(nowMs: number): void {
    this.#compaction.handleTimeout(nowMs);
    for (const link of this.#links.values()) link.handleTimeout(nowMs);
  }

  #handle(from: ReplicaId, message: CrdtMessage, nowMs: number): void {
    switch (message.kind) {
      case CrdtMessageKind.PROBE:
        this.#handleProbe(from, message);
        return;
      case CrdtMessageKind.SAME:
        this.#links.get(from)?.handleProbeAnswer(nowMs);
        return;
      case CrdtMessageKind.SUMMARY:
        this.#links.get(from)?.handleProbeAnswer(nowMs);
        this.#handleSummary(from, message, nowMs);
        return;
      case CrdtMessageKind.DELTA:
        this.#handleDelta(from, message, nowMs);
        return;
      case CrdtMessageKind.ACK:
        this.#links.get(from)?.handleAck(message.index);
    }
  }

  #handleProbe(from: ReplicaId, { digest }: CrdtProbe): void {
    const own = this.#map.digest;
    const isSame =
      own.liveCount === digest.liveCount && own.sumA === digest.sumA && own.sumB === digest.sumB;
    if (isSame) this.#send(from, encodeCrdt({ kind: CrdtMessageKind.SAME }));
    else this.#sendSummary(from, true);
  }

  #sendSummary(to: ReplicaId, isReplyWanted: boolean): void {
    const kind = CrdtMessageKind.SUMMARY;
    this.#send(to, encodeCrdt({ kind, isReplyWanted, ...this.#map.summary() }));
  }

  #handleSummary(from: ReplicaId, summary: CrdtSummary, nowMs: number): void {
    const dots = this.#map.unknownTo(summary, (replica) => this.#compaction.isRetired(replica));
    const link = this.#links.get(from);
    if (link !== undefined) link.offer(dots, nowMs);
    else if (!dots.isEmpty) this.#sendUnasked(from, dots);
    if (summary.isReplyWanted && this.#map.lacks(summary)) this.#sendSummary(from, false);
  }

  /** To somebody who is no neighbour here: without acks, its next comparison sees to the rest. */
  #sendUnasked(to: ReplicaId, dots: CausalContext): void {
    const { entriesMax, deltaBytesMax } = this.#parameters;
    const { delta } = this.#map.deltaOf(dots, entriesMax, deltaBytesMax);
    this.#send(to, encodeCrdt({ kind: CrdtMessageKind.DELTA, index: 0, delta }));
  }

  #handleDelta(from: ReplicaId, { index, delta }: CrdtDelta, nowMs: number): void {
    const { keys, touched } = this.#map.merge(delta);
    if (index !== 0) this.#send(from, encodeCrdt({ kind: CrdtMessageKind.ACK, index }));
    if (keys.size > 0) {
      this.#outputs.push({ kind: "change", keys, latestStamp: latestStampOf(delta) });
    }
    this.#offerToAll(touched, from, nowMs);
    this.#compaction.noticeRetired(nowMs);
  }

  #offerToAll(touched: CausalContext, except: ReplicaId | null, nowMs: number): void {
    for (const [replica, link] of this.#links) {
      if (replica !== except) link.offer(touched, nowMs);
    }
  }

  #send(replica: ReplicaId, bytes: Uint8Array): void {
    this.#outputs.push({ kind: "send", replica, bytes });
  }
}

function latestStampOf(delta: Delta): HlcStamp | null {
  let latest: HlcStamp | null = null;
  for (const { stamp } of delta.entries) {
    if (latest === null || compareStamps(stamp, latest) > 0) latest = stamp;
  }
  return latest;
}
