/**
 * The duty cycle of a worker. Socket events run between cycles and only gather work; a cycle then
 * does, in this order and with a limit per source, so that no source starves another:
 *
 *     drain rings → send gathered commands and routes → flush connections with output → ring the bells of peers
 *
 * After a cycle that found nothing the worker parks: a peer that sends rings its bell, and a socket
 * event wakes it anyway. Cycles run in the check phase (`setImmediate`), behind all sockets that
 * were readable at once: their output leaves together. Thread: worker. Scope: one per worker.
 */

import { LiveClock } from "../shared/base/live-clock.ts";
import { Counter } from "../shared/metrics/counter-table.ts";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";
import type { Transport } from "./mqtt/transport.ts";

/**
 * Records per source and cycle: at 1 µs each well under a millisecond before sockets get their
 * turn.
 */
const DRAIN_LIMIT = 512;

/** Slots for connections with output that stay allocated between cycles. */
const KEPT_SLOTS = 1024;

export interface EventLoopHooks {
  /** The broker's time, milliseconds. */
  nowMs(): number;
  /** Sends what services and routes have gathered. */
  flushServices(): void;
  /** Flushes transports[0, count), which all have output, and empties their slots. */
  flushTransports(transports: (Transport | null)[], count: number): void;
}

export class EventLoop {
  readonly #endpoint: RingEndpoint;
  readonly #counters: Float64Array;
  readonly #hooks: EventLoopHooks;
  #isScheduled = false;
  #isStopped = false;
  /**
   * Connections with output; two lists, so that flushing may dirty connections for the next cycle.
   */
  #dirty: (Transport | null)[] = [];
  #dirtyCount = 0;
  #flushing: (Transport | null)[] = [];
  #nowMs: number;
  readonly #live: LiveClock;
  readonly #cycle = () => this.#runCycle();

  constructor(endpoint: RingEndpoint, counters: Float64Array, hooks: EventLoopHooks) {
    this.#endpoint = endpoint;
    this.#counters = counters;
    this.#hooks = hooks;
    this.#nowMs = hooks.nowMs();
    this.#live = new LiveClock(this.#nowMs);
  }

  /** The broker's time (steady-clock.ts), milliseconds, as of the current event. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Milliseconds for deadlines of others: time in which this thread was held up does not count. */
  get liveMs(): number {
    return this.#live.nowMs;
  }

  /** An event has begun outside of a cycle: take the time and make sure that a cycle follows. */
  wake(): void {
    this.#takeTime();
    this.schedule();
  }

  /** Makes sure that a cycle runs soon. */
  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    setImmediate(this.#cycle);
  }

  /**
   * `transport` has output for the end of the cycle. Called once per transport between two flushes.
   */
  markDirty(transport: Transport): void {
    this.#dirty[this.#dirtyCount] = transport;
    this.#dirtyCount += 1;
    this.schedule();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #runCycle(): void {
    this.#isScheduled = false;
    if (this.#isStopped) return;
    this.#takeTime();
    this.#counters[Counter.LOOP_CYCLES]! += 1;
    this.#endpoint.unpark();
    const drained = this.#endpoint.drain(DRAIN_LIMIT);
    if (drained > this.#counters[Counter.RING_HIGH_WATER_RECORDS]!) {
      this.#counters[Counter.RING_HIGH_WATER_RECORDS] = drained;
    }
    this.#hooks.flushServices();
    this.#flushDirty();
    this.#endpoint.flush();
    if (drained > 0 || this.#dirtyCount > 0 || !this.#endpoint.tryPark()) this.schedule();
  }

  #takeTime(): void {
    this.#nowMs = this.#hooks.nowMs();
    this.#live.advance(this.#nowMs);
  }

  #flushDirty(): void {
    const transports = this.#dirty;
    const count = this.#dirtyCount;
    this.#dirty = this.#flushing;
    this.#flushing = transports;
    this.#dirtyCount = 0;
    this.#hooks.flushTransports(transports, count);
    // The slots stay, since they fill up again; those of a burst do not.
    if (transports.length > count * 4 + KEPT_SLOTS) transports.length = count;
  }
}
