/**
 * One thread's endpoint of the ring mesh: a lane to and a lane from every thread, itself included.
 * The contract, and what callers need to know, stands in ring-endpoint.ts.
 *
 * Sleeping and waking. Bytes in flight are never lost sight of, because both sides write first and
 * look second:
 *
 *   consumer                                   producer
 *   parked = 1 in every inbound ring           commit (length word)
 *   any record in any inbound ring? -> awake   flush: parked == 1? -> parked = 0, ring the bell
 *
 * and in the other direction, for a sender that sleeps with a queue because the ring was full:
 *
 *   producer                                   consumer
 *   parked = 1, starved = 1                    drain: head = ...
 *   room for the queue? -> awake               starved == 1? -> starved = 0
 *                                              flush: parked == 1? -> ring the bell
 *
 * The parked word stands in each inbound ring, not once per thread: two threads then never share a
 * third one's word, and the fresh rings of a restarted peer bring theirs along. Parking thus costs
 * one store per peer (33 for 32 workers).
 *
 * Thread: the owner. Scope: one per thread. Invariant: a thread never sleeps on a commit whose bell
 * it has not rung.
 */

import { assert } from "../base/assert.ts";
import { InboundLane, type MessageSink } from "./inbound-lane.ts";
import { OutboundLane } from "./outbound-lane.ts";
import { type RecordHandler, RING_FULL, type RingEndpoint } from "./ring-endpoint.ts";
import { MAX_RECORD_TYPE, QUEUE_LIMIT_BYTES } from "./ring-layout.ts";

export interface RingPortOptions {
  readonly threadIndex: number;
  /** Rings by peer; inbound[threadIndex] === outbound[threadIndex] is the loopback ring. */
  readonly inbound: readonly SharedArrayBuffer[];
  readonly outbound: readonly SharedArrayBuffer[];
  /**
   * Wakes a sleeping thread so that it runs a duty cycle. `target` may be the own thread: it has
   * sent itself a record while it was parked, from a socket callback say, and must schedule a
   * cycle.
   */
  readonly ringBell: (target: number) => void;
  /** Bytes that may wait for one target; more is an assertion. */
  readonly queueLimitBytes?: number;
}

export class RingPort implements RingEndpoint {
  readonly threadIndex: number;
  readonly threadCount: number;
  /** The smallest of all targets', so that a caller need not ask which. */
  readonly maxClaimSize: number;
  onRelief: (() => void) | null = null;
  readonly #inbound: InboundLane[];
  readonly #outbound: OutboundLane[];
  readonly #handlers: (RecordHandler | null)[] = new Array(MAX_RECORD_TYPE + 1).fill(null);
  readonly #ringBell: (target: number) => void;
  readonly #queueLimitBytes: number;
  readonly #dispatch: MessageSink;
  #claimBytes: Uint8Array;
  #claimLane: OutboundLane | null = null;
  #isDraining = false;
  #isCongested = false;
  /** As rings are born: a thread counts as asleep until its first duty cycle. */
  #isParked = true;

  constructor(options: RingPortOptions) {
    const { threadIndex, inbound, outbound } = options;
    assert(inbound.length === outbound.length, "ring port: a ring is missing");
    assert(inbound[threadIndex] === outbound[threadIndex], "ring port: loopback is one ring");
    this.threadIndex = threadIndex;
    this.threadCount = inbound.length;
    this.#ringBell = options.ringBell;
    this.#queueLimitBytes = options.queueLimitBytes ?? QUEUE_LIMIT_BYTES;
    this.#dispatch = (type, bytes, offset, length, source) => {
      const handler = this.#handlers[type] ?? null;
      assert(handler !== null, "ring port: record of a type without a handler");
      handler(bytes, offset, length, source);
      assert(this.#claimLane === null, "ring port: a handler left its claim open");
    };
    this.#inbound = inbound.map((ring, source) => new InboundLane(ring, source, this.#dispatch));
    this.#outbound = outbound.map((ring) => new OutboundLane(ring, this.#queueLimitBytes));
    this.maxClaimSize = Math.min(...this.#outbound.map((lane) => lane.maxClaimSize));
    this.#claimBytes = this.#laneTo(threadIndex).bytes;
  }

  get claimBytes(): Uint8Array {
    return this.#claimBytes;
  }

  get isCongested(): boolean {
    return this.#isCongested;
  }

  setHandler(type: number, handler: RecordHandler): void {
    assertType(type);
    this.#handlers[type] = handler;
  }

  tryClaim(target: number, type: number, size: number): number {
    assert(this.#claimLane === null, "ring port: a claim is open");
    assert(size <= this.maxClaimSize, "ring port: claim size out of range");
    assertType(type);
    const lane = this.#laneTo(target);
    const offset = lane.tryClaim(type, size);
    if (offset === RING_FULL) return RING_FULL;
    this.#claimLane = lane;
    this.#claimBytes = lane.bytes;
    return offset;
  }

  commit(): void {
    assert(this.#claimLane !== null, "ring port: commit without a claim");
    this.#claimLane.commit();
    this.#claimLane = null;
  }

  abort(): void {
    assert(this.#claimLane !== null, "ring port: abort without a claim");
    this.#claimLane.abort();
    this.#claimLane = null;
  }

  enqueue(target: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    assert(this.#claimLane === null, "ring port: a claim is open");
    assert(start >= 0 && start <= end && end <= bytes.length, "ring port: bytes out of range");
    assertType(type);
    const lane = this.#laneTo(target);
    lane.enqueue(type, bytes, start, end);
    if (lane.isCongested) this.#isCongested = true;
  }

  queuedBytes(target: number): number {
    return this.#laneTo(target).queuedBytes;
  }

  /**
   * Parts of a large message count as records. Handlers may send, to this thread too, but not
   * drain.
   */
  drain(limit: number): number {
    assert(!this.#isDraining, "ring port: drain inside a handler");
    assert(this.#claimLane === null, "ring port: a claim is open");
    this.#isDraining = true;
    let total = 0;
    for (let source = 0; source < this.#inbound.length; source += 1) {
      const lane = this.#inbound[source]!;
      total += lane.drain(limit);
      // The room just made is news to a source that sleeps with a queue; flush rings its bell.
      if (lane.takeStarved()) this.#laneTo(source).isDirty = true;
    }
    this.#isDraining = false;
    return total;
  }

  flush(): void {
    for (let target = 0; target < this.#outbound.length; target += 1) {
      const lane = this.#outbound[target]!;
      if (lane.hasQueue) lane.pump();
      if (!lane.isDirty) continue;
      lane.isDirty = false;
      if (lane.takeParked()) this.#ringBell(target);
    }
    this.#checkRelief();
  }

  /** Also false when something was sent since the last flush: its bell must be rung first. */
  tryPark(): boolean {
    assert(!this.#isDraining, "ring port: parking inside a handler");
    assert(this.#claimLane === null, "ring port: a claim is open");
    this.#isParked = true;
    for (let index = 0; index < this.#inbound.length; index += 1) this.#inbound[index]!.park();
    for (let index = 0; index < this.#outbound.length; index += 1) {
      const lane = this.#outbound[index]!;
      if (lane.hasQueue) lane.awaitRoom();
    }
    if (!this.#hasWork()) return true;
    this.unpark();
    return false;
  }

  unpark(): void {
    if (!this.#isParked) return;
    this.#isParked = false;
    for (let index = 0; index < this.#inbound.length; index += 1) this.#inbound[index]!.unpark();
  }

  replacePeer(peer: number, inbound: SharedArrayBuffer, outbound: SharedArrayBuffer): void {
    assert(peer !== this.threadIndex, "ring port: a thread cannot replace itself");
    assert(peer >= 0 && peer < this.threadCount, "ring port: no such thread");
    assert(!this.#isDraining && this.#claimLane === null, "ring port: replacing a peer in use");
    const lane = new OutboundLane(outbound, this.#queueLimitBytes);
    assert(lane.maxClaimSize >= this.maxClaimSize, "ring port: replacement ring is smaller");
    this.#outbound[peer] = lane;
    this.#inbound[peer] = new InboundLane(inbound, peer, this.#dispatch);
    this.#checkRelief();
  }

  #hasWork(): boolean {
    for (let index = 0; index < this.#inbound.length; index += 1) {
      if (this.#inbound[index]!.hasRecord || this.#outbound[index]!.isDirty) return true;
    }
    return false;
  }

  #checkRelief(): void {
    if (!this.#isCongested) return;
    for (let index = 0; index < this.#outbound.length; index += 1) {
      if (this.#outbound[index]!.isCongested) return;
    }
    this.#isCongested = false;
    this.onRelief?.();
  }

  #laneTo(target: number): OutboundLane {
    const lane = this.#outbound[target];
    assert(lane !== undefined, "ring port: no such thread");
    return lane;
  }
}

function assertType(type: number): void {
  assert(type > 0 && type <= MAX_RECORD_TYPE, "ring port: record type out of range");
}
