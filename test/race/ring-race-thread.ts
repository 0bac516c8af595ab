/**
 * One thread of the race: a duty cycle as a worker of the broker has it, without timers, so that a
 * lost wake-up leaves everybody asleep. It sends a number of records to every other thread and
 * checks what it gets from each.
 *
 * A sender goes on until `window` records are not acknowledged, then waits, mostly asleep; the
 * window is drawn anew each time, so that the threads meet in every phase: alternating, streaming,
 * full ring.
 */

import type { BellPort } from "../../src/shared/protocol/worker-boot.ts";
import { RING_FULL } from "../../src/shared/ring/ring-endpoint.ts";
import { RingPort } from "../../src/shared/ring/ring-port.ts";
import { nextRandom, RaceStream } from "./ring-race-stream.ts";

const RECORD = 1;
const ACKNOWLEDGE = 2;
const DRAIN_LIMIT = 256;
const BURST = 256;
export const FIRST_INCARNATION = 1;

export interface RaceBoot {
  readonly threadIndex: number;
  readonly incarnation: number;
  readonly inbound: readonly SharedArrayBuffer[];
  readonly outbound: readonly SharedArrayBuffer[];
  readonly bells: readonly (BellPort | null)[];
  /** Who takes part besides this thread. */
  readonly peers: readonly number[];
  /** Records to and from each of them. */
  readonly sendCount: number;
  readonly receiveCount: number;
  /**
   * One of these is drawn as window each time. Small ones make the threads fall asleep, large ones
   * fill the ring.
   */
  readonly windows: readonly number[];
  /** "late": only when everything has come, so that nothing but room wakes the sender. */
  readonly acknowledges: "soon" | "late";
}

/** For `peer` to be met again after a restart, as `incarnation`. */
export interface RacePeer {
  readonly peer: number;
  readonly incarnation: number;
  readonly inbound: SharedArrayBuffer;
  readonly outbound: SharedArrayBuffer;
  readonly bell: BellPort;
}

export interface RaceReport {
  readonly received: number;
  readonly parks: number;
  readonly wakes: number;
  readonly fulls: number;
  readonly large: number;
}

/** Both directions between this thread and one other. */
class Lane {
  readonly outbound: RaceStream;
  readonly inbound: RaceStream;
  acknowledged = 0;
  window = 1;
  /** Received since the last acknowledgement. */
  owed = 0;

  constructor(outboundSeed: number, inboundSeed: number, largestSize: number) {
    this.outbound = new RaceStream(outboundSeed, largestSize);
    this.inbound = new RaceStream(inboundSeed, largestSize);
  }

  get sent(): number {
    return this.outbound.sequence + 1;
  }

  get received(): number {
    return this.inbound.sequence + 1;
  }
}

export class RaceThread {
  readonly #boot: RaceBoot;
  readonly #port: RingPort;
  readonly #bells: (BellPort | null)[];
  readonly #lanes: (Lane | null)[];
  readonly #onFinished: (report: RaceReport) => void;
  readonly #scratch: Uint8Array;
  readonly #largestSize: number;
  #random: number;
  #isScheduled = true;
  #isFinished = false;
  #parks = 0;
  #wakes = 0;
  #fulls = 0;
  #large = 0;

  constructor(boot: RaceBoot, onFinished: (report: RaceReport) => void) {
    this.#boot = boot;
    this.#onFinished = onFinished;
    this.#random = boot.threadIndex * 7919 + 1;
    this.#bells = [...boot.bells];
    this.#port = new RingPort({
      threadIndex: boot.threadIndex,
      inbound: boot.inbound,
      outbound: boot.outbound,
      ringBell: (target) => this.#bells[target]?.postMessage(0),
    });
    this.#largestSize = 3 * this.#port.maxClaimSize;
    this.#scratch = new Uint8Array(this.#largestSize + 8);
    this.#lanes = boot.bells.map((_, peer) =>
      boot.peers.includes(peer) ? this.#newLane(peer, FIRST_INCARNATION) : null,
    );
    this.#port.setHandler(RECORD, (bytes, offset, length, source) => {
      this.#receiveRecord(this.#lanes[source]!, bytes, offset, length);
    });
    this.#port.setHandler(ACKNOWLEDGE, (bytes, offset, _length, source) => {
      const lane = this.#lanes[source]!;
      for (let shift = 0; shift < 32; shift += 8) {
        lane.acknowledged += bytes[offset + shift / 8]! << shift;
      }
    });
    for (const bell of this.#bells) bell?.on("message", () => this.#wake());
    setImmediate(() => this.#cycle());
  }

  replacePeer({ peer, incarnation, inbound, outbound, bell }: RacePeer): void {
    this.#bells[peer]?.close();
    this.#bells[peer] = bell;
    this.#lanes[peer] = this.#newLane(peer, incarnation);
    this.#port.replacePeer(peer, inbound, outbound);
    this.#isFinished = false;
    bell.on("message", () => this.#wake());
    this.#wake();
  }

  receivedFrom(peer: number): number {
    return this.#lanes[peer]?.received ?? 0;
  }

  close(): void {
    for (const bell of this.#bells) bell?.close();
  }

  #newLane(peer: number, incarnation: number): Lane {
    const own = this.#boot.threadIndex;
    // The same on both ends, and never the same again for the pair.
    const generation = incarnation + this.#boot.incarnation;
    const outboundSeed = 1 + own + 64 * peer + 4096 * generation;
    const inboundSeed = 1 + peer + 64 * own + 4096 * generation;
    return new Lane(outboundSeed, inboundSeed, this.#largestSize);
  }

  #wake(): void {
    if (this.#isScheduled) return;
    this.#wakes += 1;
    this.#isScheduled = true;
    this.#cycle();
  }

  #cycle(): void {
    this.#port.unpark();
    this.#port.drain(DRAIN_LIMIT);
    for (let peer = 0; peer < this.#lanes.length; peer += 1) {
      const lane = this.#lanes[peer];
      if (!lane) continue;
      this.#acknowledge(lane, peer);
      for (let left = BURST; left > 0 && this.#canSend(lane, peer); left -= 1) {
        this.#sendRecord(lane, peer);
      }
    }
    this.#port.flush();
    this.#finishOnce();
    // After flush: it may have emptied the queue that a lane waited for, and no bell says so.
    const canSend = this.#lanes.some((lane, peer) => lane !== null && this.#canSend(lane, peer));
    if (canSend || !this.#port.tryPark()) {
      setImmediate(() => this.#cycle());
      return;
    }
    this.#parks += 1;
    this.#isScheduled = false;
  }

  #canSend(lane: Lane, peer: number): boolean {
    return (
      lane.sent < this.#boot.sendCount &&
      lane.sent - lane.acknowledged < lane.window &&
      this.#port.queuedBytes(peer) === 0
    );
  }

  #sendRecord(lane: Lane, peer: number): void {
    const stream = lane.outbound;
    stream.advance();
    const { size } = stream;
    const isLarge = size > this.#port.maxClaimSize;
    const offset = isLarge ? RING_FULL : this.#port.tryClaim(peer, RECORD, size);
    if (offset !== RING_FULL) {
      stream.write(this.#port.claimBytes, offset);
      this.#port.commit();
      return;
    }
    if (isLarge) this.#large += 1;
    else this.#fulls += 1;
    stream.write(this.#scratch, 3);
    this.#port.enqueue(peer, RECORD, this.#scratch, 3, 3 + size);
  }

  #receiveRecord(lane: Lane, bytes: Uint8Array, offset: number, length: number): void {
    lane.inbound.advance();
    lane.inbound.check(bytes, offset, length);
    lane.owed += 1;
    // An aborted claim now and then, from inside a handler: it must leave no trace.
    if ((lane.inbound.sequence & 0x3ff) !== 0) return;
    const claim = this.#port.tryClaim(this.#boot.threadIndex, RECORD, length & 0xff);
    if (claim === RING_FULL) return;
    this.#port.claimBytes.fill(0xff, claim, claim + (length & 0xff));
    this.#port.abort();
  }

  #acknowledge(lane: Lane, peer: number): void {
    if (lane.acknowledged === lane.sent) lane.window = this.#drawWindow();
    if (lane.owed === 0) return;
    const { acknowledges, receiveCount } = this.#boot;
    if (acknowledges === "late" && lane.received < receiveCount) return;
    for (let index = 0; index < 4; index += 1) this.#scratch[index] = lane.owed >>> (8 * index);
    this.#port.enqueue(peer, ACKNOWLEDGE, this.#scratch, 0, 4);
    lane.owed = 0;
  }

  #drawWindow(): number {
    const { windows } = this.#boot;
    this.#random = nextRandom(this.#random);
    return windows[(this.#random >>> 8) % windows.length]!;
  }

  #finishOnce(): void {
    if (this.#isFinished) return;
    const { sendCount, receiveCount } = this.#boot;
    let received = 0;
    for (let peer = 0; peer < this.#lanes.length; peer += 1) {
      const lane = this.#lanes[peer];
      if (!lane) continue;
      if (lane.received < receiveCount || lane.acknowledged < sendCount || lane.owed > 0) return;
      if (this.#port.queuedBytes(peer) > 0) return;
      received += lane.received;
    }
    this.#isFinished = true;
    this.#onFinished({
      received,
      parks: this.#parks,
      wakes: this.#wakes,
      fulls: this.#fulls,
      large: this.#large,
    });
  }
}
