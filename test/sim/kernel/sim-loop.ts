/**
 * The one clock of a simulation and its loop: takes the earliest event, moves the time there, hands
 * the event to the world. Knows nodes only as numbers with a generation (which process of that node
 * is meant), whether they are up, and until when they are paused.
 *
 * - An event of an older generation is lost with the process that waited for it.
 * - An event for a node that is down is lost.
 * - An event for a paused node waits until the pause ends; waiting events keep their order. A node's
 *   tick re-arms itself only when it runs, so a pause costs at most one tick (raft pitfall 26).
 *
 * Time is in microseconds.
 */

import { EventQueue } from "./event-queue.ts";
import { TraceHash } from "./trace-hash.ts";

/** Addresses an event to the world itself. */
export const NO_NODE = -1;
/** For events that outlive the process that they are meant for, such as packets. */
export const ANY_GENERATION = -1;

export interface SimWorld {
  /** One event. `subject` is what was pushed with it. */
  handleEvent(kind: number, node: number, subject: unknown): void;
}

export class SimLoop {
  readonly trace = new TraceHash();
  readonly #queue: EventQueue;
  readonly #generations: Int32Array;
  readonly #isUp: Uint8Array;
  readonly #pausedUntil: Float64Array;
  now = 0;
  eventCount = 0;

  /** `queue` is cleared and then used alone by this loop; sharing it saves its memory. */
  constructor(nodeCount: number, queue: EventQueue = new EventQueue()) {
    queue.clear();
    this.#queue = queue;
    this.#generations = new Int32Array(nodeCount);
    this.#isUp = new Uint8Array(nodeCount);
    this.#pausedUntil = new Float64Array(nodeCount);
  }

  isUp(node: number): boolean {
    return this.#isUp[node] === 1;
  }

  isPaused(node: number): boolean {
    return (this.#pausedUntil[node] ?? 0) > this.now;
  }

  generationOf(node: number): number {
    return this.#generations[node] ?? 0;
  }

  /** A process of this node starts: from now on only its events count. */
  start(node: number): void {
    this.#isUp[node] = 1;
    this.#pausedUntil[node] = 0;
  }

  /** The process is gone, and with it everything that it waited for. */
  stop(node: number): void {
    this.#isUp[node] = 0;
    this.#generations[node] = this.generationOf(node) + 1;
  }

  pause(node: number, untilUs: number): void {
    this.#pausedUntil[node] = untilUs;
  }

  /** For a node's present process. */
  after(delayUs: number, kind: number, node: number, subject: unknown = null): void {
    this.#queue.push(this.now + delayUs, kind, node, this.generationOf(node), subject);
  }

  /** For whichever process of the node runs then, or for the world. */
  afterForAny(delayUs: number, kind: number, node: number, subject: unknown = null): void {
    this.#queue.push(this.now + delayUs, kind, node, ANY_GENERATION, subject);
  }

  /** Runs everything that is due until then; false when nothing is left to happen. */
  run(world: SimWorld, untilUs: number): boolean {
    const queue = this.#queue;
    while (queue.nextTime <= untilUs) {
      queue.pop();
      this.now = queue.time;
      if (queue.node !== NO_NODE && !this.#admits(queue)) continue;
      this.eventCount += 1;
      this.trace.mix(queue.time);
      this.trace.mix(queue.kind * 64 + queue.node);
      world.handleEvent(queue.kind, queue.node, queue.subject);
    }
    this.now = Math.max(this.now, Math.min(untilUs, queue.nextTime));
    return queue.size > 0;
  }

  #admits(queue: EventQueue): boolean {
    const { node, generation } = queue;
    if (!this.isUp(node)) return false;
    if (generation !== ANY_GENERATION && generation !== this.generationOf(node)) return false;
    const pausedUntil = this.#pausedUntil[node] ?? 0;
    if (pausedUntil <= this.now) return true;
    queue.push(pausedUntil, queue.kind, node, generation, queue.subject);
    return false;
  }
}
