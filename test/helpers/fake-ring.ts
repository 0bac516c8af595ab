/**
 * Rings of several threads inside one: what is sent waits until the test delivers it, in order per
 * pair of threads, so a test decides who hears what first. A delivered record lies in shared memory
 * at an odd offset and is overwritten afterwards: who keeps borrowed bytes is found out.
 */

import assert from "node:assert/strict";
import { RECORD_TYPE_COUNT } from "../../src/shared/protocol/ring-message.ts";
import {
  type RecordHandler,
  RING_FULL,
  type RingEndpoint,
} from "../../src/shared/ring/ring-endpoint.ts";

interface SentRecord {
  readonly type: number;
  readonly bytes: Uint8Array;
}

const MAX_CLAIM_SIZE = 1 << 20;

export class FakeMesh {
  readonly threadCount: number;
  readonly endpoints: FakeEndpoint[] = [];
  /** [source][target] */
  readonly #waiting: SentRecord[][][] = [];

  /** Main and `workerCount` workers. */
  constructor(workerCount: number) {
    this.threadCount = workerCount + 1;
    for (let thread = 0; thread < this.threadCount; thread++) {
      this.#waiting.push(Array.from({ length: this.threadCount }, () => []));
      this.endpoints.push(new FakeEndpoint(this, thread));
    }
  }

  endpoint(thread: number): FakeEndpoint {
    return this.endpoints[thread]!;
  }

  send(source: number, target: number, type: number, bytes: Uint8Array): void {
    this.#waiting[source]![target]!.push({ type, bytes });
  }

  waitingCount(source: number, target: number): number {
    return this.#waiting[source]![target]!.length;
  }

  waitingBytes(source: number, target: number): number {
    return this.#waiting[source]![target]!.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Delivers the oldest record from `source` to `target`; false when there is none. */
  deliver(source: number, target: number): boolean {
    const record = this.#waiting[source]![target]!.shift();
    if (record === undefined) return false;
    this.endpoints[target]!.receive(record.type, record.bytes, source);
    return true;
  }

  /**
   * Delivers everything, also what is sent meanwhile, in turns; `afterRound` stands for the end of
   * duty cycles.
   */
  pump(afterRound: () => void = () => {}): void {
    for (let round = 0; round < 10_000; round++) {
      afterRound();
      if (!this.#deliverRound()) return;
    }
    assert.fail("the threads never come to rest");
  }

  /**
   * The thread died: its handlers and everything on the way to and from it are gone; a fresh
   * endpoint takes over.
   */
  replace(thread: number): void {
    for (let peer = 0; peer < this.threadCount; peer++) {
      this.#waiting[thread]![peer] = [];
      this.#waiting[peer]![thread] = [];
    }
    this.endpoints[thread] = new FakeEndpoint(this, thread);
  }

  #deliverRound(): boolean {
    let delivered = false;
    for (let source = 0; source < this.threadCount; source++) {
      for (let target = 0; target < this.threadCount; target++) {
        for (let left = this.waitingCount(source, target); left > 0; left--) {
          delivered = this.deliver(source, target) || delivered;
        }
      }
    }
    return delivered;
  }
}

export class FakeEndpoint implements RingEndpoint {
  readonly threadIndex: number;
  readonly threadCount: number;
  readonly maxClaimSize = MAX_CLAIM_SIZE;
  claimBytes: Uint8Array = new Uint8Array(0);
  /** Set by a test to act as if that much waited for every target. */
  pretendQueuedBytes = 0;
  isCongested = false;
  onRelief: (() => void) | null = null;
  readonly #mesh: FakeMesh;
  readonly #handlers: (RecordHandler | null)[] = new Array<RecordHandler | null>(
    RECORD_TYPE_COUNT,
  ).fill(null);
  #claim: { target: number; type: number } | null = null;

  constructor(mesh: FakeMesh, threadIndex: number) {
    this.#mesh = mesh;
    this.threadIndex = threadIndex;
    this.threadCount = mesh.threadCount;
  }

  setHandler(type: number, handler: RecordHandler): void {
    this.#handlers[type] = handler;
  }

  receive(type: number, bytes: Uint8Array, source: number): void {
    const handler = this.#handlers[type] ?? null;
    assert.ok(handler !== null, `thread ${this.threadIndex} has no handler for type ${type}`);
    const offset = 3;
    const memory = new Uint8Array(new SharedArrayBuffer(bytes.length + 8));
    memory.set(bytes, offset);
    handler(memory, offset, bytes.length, source);
    memory.fill(0xee);
  }

  tryClaim(target: number, type: number, size: number): number {
    assert.ok(this.#claim === null && size <= MAX_CLAIM_SIZE);
    if (this.queuedBytes(target) > 0) return RING_FULL;
    this.#claim = { target, type };
    this.claimBytes = new Uint8Array(size);
    return 0;
  }

  commit(): void {
    assert.ok(this.#claim !== null);
    this.#mesh.send(this.threadIndex, this.#claim.target, this.#claim.type, this.claimBytes);
    this.#claim = null;
  }

  abort(): void {
    this.#claim = null;
  }

  enqueue(target: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    this.#mesh.send(this.threadIndex, target, type, bytes.slice(start, end));
  }

  queuedBytes(_target: number): number {
    return this.pretendQueuedBytes;
  }

  drain(limit: number): number {
    let total = 0;
    for (let source = 0; source < this.threadCount; source++) {
      let left = limit;
      while (left > 0 && this.#mesh.deliver(source, this.threadIndex)) left -= 1;
      total += limit - left;
    }
    return total;
  }

  flush(): void {}

  tryPark(): boolean {
    return true;
  }

  unpark(): void {}

  replacePeer(): void {}
}
