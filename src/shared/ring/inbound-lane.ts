/**
 * Everything that arrives from one source: its ring, and the large message that is being put
 * together from parts.
 *
 * Thread: the consumer of the ring. Scope: one per source, owned by RingPort. Invariant: at most
 * one message is being assembled, and until its last part no other record comes. Only our own
 * sender writes here, so a part out of sequence is a bug and asserts.
 */

import { assert } from "../base/assert.ts";
import { copyBytes } from "../bytes/copy-bytes.ts";
import {
  FIRST_FLAG,
  LAST_FLAG,
  MAX_MESSAGE_SIZE,
  MAX_RECORD_TYPE,
  PART_FLAG,
  PART_PREFIX_SIZE,
} from "./ring-layout.ts";
import { type RecordSink, SpscConsumer } from "./spsc-consumer.ts";

/** A whole message; `bytes` is borrowed until it returns. */
export type MessageSink = (
  type: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  source: number,
) => void;

export class InboundLane {
  readonly #source: number;
  readonly #consumer: SpscConsumer;
  readonly #sink: MessageSink;
  readonly #receive: RecordSink;
  #assembly: Uint8Array | null = null;
  #assemblyType = 0;
  #filled = 0;

  constructor(ring: SharedArrayBuffer, source: number, sink: MessageSink) {
    this.#source = source;
    this.#consumer = new SpscConsumer(ring);
    this.#sink = sink;
    const bytes = this.#consumer.bytes;
    this.#receive = (type, offset, length) => {
      if ((type & PART_FLAG) !== 0) {
        this.#receivePart(type, offset, length);
        return;
      }
      assert(this.#assembly === null, "ring: record between the parts of a message");
      sink(type, bytes, offset, length, source);
    };
  }

  get hasRecord(): boolean {
    return this.#consumer.hasRecord;
  }

  /** Hands up to `limit` records, each part counted as one, to the sink; returns how many. */
  drain(limit: number): number {
    return this.#consumer.drain(limit, this.#receive);
  }

  /** True when the source sleeps until there is room, and a drain has made some. */
  takeStarved(): boolean {
    return this.#consumer.takeStarved();
  }

  park(): void {
    this.#consumer.park();
  }

  unpark(): void {
    this.#consumer.unpark();
  }

  #receivePart(typeAndFlags: number, offset: number, length: number): void {
    const bytes = this.#consumer.bytes;
    const type = typeAndFlags & MAX_RECORD_TYPE;
    let start = offset;
    if ((typeAndFlags & FIRST_FLAG) !== 0) {
      assert(this.#assembly === null, "ring: first part inside another message");
      const totalSize = this.#consumer.readWord(offset);
      assert(totalSize >= 0 && totalSize <= MAX_MESSAGE_SIZE, "ring: message size impossible");
      this.#assembly = new Uint8Array(totalSize);
      this.#assemblyType = type;
      this.#filled = 0;
      start += PART_PREFIX_SIZE;
    }
    const assembly = this.#assembly;
    assert(assembly !== null && type === this.#assemblyType, "ring: part of no message");
    const size = offset + length - start;
    const filled = this.#filled + size;
    assert(filled <= assembly.length, "ring: message longer than announced");
    copyBytes(assembly, this.#filled, bytes, start, size);
    this.#filled = filled;
    if ((typeAndFlags & LAST_FLAG) === 0) return;
    assert(filled === assembly.length, "ring: message shorter than announced");
    this.#assembly = null;
    this.#sink(type, assembly, 0, filled, this.#source);
  }
}
