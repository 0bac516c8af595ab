/**
 * One node's side of the exchange with one neighbour.
 *
 * ```
 *   touched dots ──▶ waiting ──batch──▶ in flight (one delta) ──ack──▶ next
 *                                          │ no ack: again, later and later, then given up
 *   probe ──▶ same | summary               └─▶ the next probe finds what is missing
 * ```
 *
 * Waiting changes are kept as dots, not as values: what is overwritten before it leaves is never
 * sent, and a neighbour that is away for long costs a few runs of numbers.
 */

import type { Prng } from "../base/prng.ts";
import type { AntiEntropyParameters } from "./anti-entropy-parameters.ts";
import { CausalContext } from "./causal-context.ts";
import { encodeCrdt } from "./crdt-codec.ts";
import { CrdtMessageKind } from "./crdt-message.ts";
import type { OrMap } from "./or-map.ts";

interface InFlight {
  readonly index: number;
  readonly bytes: Uint8Array;
  attempts: number;
  resendAtMs: number;
}

const NEVER = Number.POSITIVE_INFINITY;

export class NeighbourLink {
  readonly #map: OrMap;
  readonly #parameters: AntiEntropyParameters;
  readonly #prng: Prng;
  readonly #send: (bytes: Uint8Array) => void;
  #waiting = new CausalContext();
  #batchAtMs = NEVER;
  #inFlight: InFlight | null = null;
  #lastIndex = 0;
  #probeAtMs: number;
  #probeAttempts = 0;

  /** A new neighbour is compared with at once. */
  constructor(
    map: OrMap,
    parameters: AntiEntropyParameters,
    prng: Prng,
    send: (bytes: Uint8Array) => void,
    nowMs: number,
  ) {
    this.#map = map;
    this.#parameters = parameters;
    this.#prng = prng;
    this.#send = send;
    this.#probeAtMs = nowMs;
  }

  get nextDeadlineMs(): number {
    const deltaAtMs = this.#inFlight === null ? this.#batchAtMs : this.#inFlight.resendAtMs;
    return Math.min(deltaAtMs, this.#probeAtMs);
  }

  /** True when everything that was offered has been acked. */
  get isIdle(): boolean {
    return this.#inFlight === null && this.#waiting.isEmpty;
  }

  /** The neighbour should hear of these dots. */
  offer(dots: CausalContext, nowMs: number): void {
    if (dots.isEmpty) return;
    if (this.#waiting.isEmpty) this.#batchAtMs = nowMs + this.#parameters.batchIntervalMs;
    this.#waiting.addAll(dots);
  }

  handleAck(index: number): void {
    if (this.#inFlight?.index === index) this.#inFlight = null;
  }

  /** The neighbour answered a probe, by whichever message. */
  handleProbeAnswer(nowMs: number): void {
    this.#scheduleProbe(nowMs);
  }

  handleTimeout(nowMs: number): void {
    if (this.#inFlight !== null && nowMs >= this.#inFlight.resendAtMs) {
      this.#resend(this.#inFlight, nowMs);
    }
    if (this.#inFlight === null && nowMs >= this.#batchAtMs) this.#sendBatch(nowMs);
    if (nowMs >= this.#probeAtMs) this.#probe(nowMs);
  }

  #sendBatch(nowMs: number): void {
    const { entriesMax, deltaBytesMax } = this.#parameters;
    const { delta, rest } = this.#map.deltaOf(this.#waiting, entriesMax, deltaBytesMax);
    this.#waiting = rest ?? new CausalContext();
    this.#batchAtMs = rest === null ? NEVER : nowMs;
    this.#lastIndex = this.#lastIndex === 0xffff_ffff ? 1 : this.#lastIndex + 1;
    const index = this.#lastIndex;
    const bytes = encodeCrdt({ kind: CrdtMessageKind.DELTA, index, delta });
    this.#inFlight = { index, bytes, attempts: 1, resendAtMs: nowMs + this.#pauseMs(1) };
    this.#send(bytes);
  }

  #resend(inFlight: InFlight, nowMs: number): void {
    if (inFlight.attempts >= this.#parameters.attemptsMax) {
      // Nobody there. What waits is forgotten too: the comparison that finds the neighbour again
      // finds all of it.
      this.#inFlight = null;
      this.#waiting = new CausalContext();
      this.#batchAtMs = NEVER;
      this.#probeAtMs = Math.min(this.#probeAtMs, nowMs);
      return;
    }
    inFlight.attempts += 1;
    inFlight.resendAtMs = nowMs + this.#pauseMs(inFlight.attempts);
    this.#send(inFlight.bytes);
  }

  #probe(nowMs: number): void {
    this.#send(encodeCrdt({ kind: CrdtMessageKind.PROBE, digest: this.#map.digest }));
    this.#probeAttempts += 1;
    if (this.#probeAttempts >= this.#parameters.attemptsMax) this.#scheduleProbe(nowMs);
    else this.#probeAtMs = nowMs + this.#pauseMs(this.#probeAttempts);
  }

  /** Up to a tenth later, so that a cluster that started together does not compare together. */
  #scheduleProbe(nowMs: number): void {
    const { probeIntervalMs } = this.#parameters;
    this.#probeAttempts = 0;
    this.#probeAtMs = nowMs + probeIntervalMs * (1 + this.#prng.fraction() / 10);
  }

  #pauseMs(attempts: number): number {
    const { resendMs, resendMaxMs } = this.#parameters;
    return Math.min(resendMaxMs, resendMs * attempts);
  }
}
