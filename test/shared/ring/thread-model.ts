/**
 * Threads that take turns: several ring ports in one thread, each with a duty cycle, sleep and
 * bells, and every message checked against the list of what was sent. A bell for a thread that is
 * awake, or a sleep with work left, is an error.
 */

import assert from "node:assert/strict";
import { RING_FULL } from "../../../src/shared/ring/ring-endpoint.ts";
import { createRing } from "../../../src/shared/ring/ring-layout.ts";
import { RingPort } from "../../../src/shared/ring/ring-port.ts";

/**
 * Plain message, and one whose receiver answers it from inside the handler, to itself and to the
 * source.
 */
export const PLAIN = 1;
export const ASKING = 2;
export const ANSWER = 3;

interface Sent {
  readonly type: number;
  readonly size: number;
  readonly seed: number;
}

export class ModelThread {
  readonly port: RingPort;
  readonly index: number;
  /** As a ring port is born. */
  isAsleep = true;
  bellCount = 0;

  constructor(index: number, port: RingPort) {
    this.index = index;
    this.port = port;
  }

  wake(): void {
    this.isAsleep = false;
    this.port.unpark();
  }
}

export class ThreadModel {
  readonly threads: ModelThread[] = [];
  /** Sent and not yet received, by source * threadCount + target. */
  readonly #sent: Sent[][] = [];
  #seed = 0;

  constructor(threadCount: number, capacity: number) {
    const rings = Array.from({ length: threadCount * threadCount }, () => createRing(capacity));
    const indexes = Array.from({ length: threadCount }, (_, index) => index);
    for (const index of indexes) {
      const port = new RingPort({
        threadIndex: index,
        inbound: indexes.map((peer) => rings[peer * threadCount + index]!),
        outbound: indexes.map((peer) => rings[index * threadCount + peer]!),
        ringBell: (target) => this.#ringBell(target),
      });
      const thread = new ModelThread(index, port);
      for (const type of [PLAIN, ASKING, ANSWER]) {
        port.setHandler(type, (bytes, offset, length, source) => {
          this.#receive(thread, source, type, bytes.subarray(offset, offset + length));
        });
      }
      this.threads.push(thread);
    }
    for (const _ of rings) this.#sent.push([]);
  }

  get unreceivedCount(): number {
    return this.#sent.reduce((sum, list) => sum + list.length, 0);
  }

  /** False when the ring was full. */
  claim(source: ModelThread, target: number, size: number, isAborted: boolean): boolean {
    const { port } = source;
    const offset = port.tryClaim(target, PLAIN, Math.min(size, port.maxClaimSize));
    if (offset === RING_FULL) return false;
    const sent = this.#next(PLAIN, Math.min(size, port.maxClaimSize));
    port.claimBytes.set(content(sent), offset);
    if (isAborted) {
      port.abort();
    } else {
      port.commit();
      this.#listOf(source.index, target).push(sent);
    }
    return true;
  }

  enqueue(source: ModelThread, target: number, type: number, size: number): void {
    const sent = this.#next(type, size);
    const bytes = new Uint8Array(size + 5).fill(0xee);
    bytes.set(content(sent), 3);
    this.#listOf(source.index, target).push(sent);
    source.port.enqueue(target, type, bytes, 3, 3 + size);
    bytes.fill(0xdd);
  }

  cycle(thread: ModelThread, limit: number): void {
    thread.port.drain(limit);
    thread.port.flush();
  }

  tryPark(thread: ModelThread): void {
    if (thread.port.tryPark()) thread.isAsleep = true;
  }

  /** Runs duty cycles of whoever is awake until all sleep. */
  settle(limit: number): void {
    for (let turn = 0; turn < 100_000; turn += 1) {
      const awake = this.threads.filter((thread) => !thread.isAsleep);
      if (awake.length === 0) return;
      for (const thread of awake) {
        this.cycle(thread, limit);
        this.tryPark(thread);
      }
    }
    assert.fail("the threads never come to rest");
  }

  #ringBell(target: number): void {
    const thread = this.threads[target]!;
    assert.ok(thread.isAsleep, "a bell rings for a thread that is awake");
    thread.bellCount += 1;
    thread.wake();
  }

  #receive(thread: ModelThread, source: number, type: number, bytes: Uint8Array): void {
    const expected = this.#listOf(source, thread.index).shift();
    assert.ok(expected !== undefined, "a message that nobody sent");
    assert.deepEqual({ type, size: bytes.length }, { type: expected.type, size: expected.size });
    assert.ok(Buffer.from(content(expected)).equals(bytes), "content as sent");
    if (type !== ASKING) return;
    this.claim(thread, thread.index, bytes.length, false);
    this.enqueue(thread, thread.index, ANSWER, bytes.length);
    this.enqueue(thread, source, ANSWER, bytes.length);
  }

  #next(type: number, size: number): Sent {
    this.#seed += 1;
    return { type, size, seed: this.#seed };
  }

  #listOf(source: number, target: number): Sent[] {
    return this.#sent[source * this.threads.length + target]!;
  }
}

function content({ seed, size }: Sent): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => seed * 31 + index * 7);
}
