/**
 * The messages of one answer to a scan, one after the other where they lie in the record: a
 * wildcard over ten thousand retained messages makes no object per message. Borrowed until the
 * handler of the answer returns; who keeps a message takes `record.own()`. Or, where the scan asked
 * for packets, all of them in one piece.
 *
 * Flow: subscribe, retained messages. Thread: the reader's. Scope: one per thread.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import { MessageRecord } from "../mqtt/message-codec.ts";

export class RetainedBatch {
  /** The message that the last `advance` has moved to. */
  readonly record = new MessageRecord();
  /** Whole packets, one behind the other; null: a batch of messages, for `advance`. */
  packets: Uint8Array | null = null;
  /** Payload in `packets`, in bytes. */
  payloadBytes = 0;
  #reader: RecordReader | null = null;
  #left = 0;

  /** `reader` stands in front of the first of `count` messages. */
  reset(reader: RecordReader, count: number): void {
    this.#reader = reader;
    this.#left = count;
    this.packets = null;
  }

  /** `reader` stands in front of `count` packets of `size` bytes together. */
  resetPackets(reader: RecordReader, count: number, payloadBytes: number, size: number): void {
    const at = reader.skip(size);
    this.#left = count;
    this.packets = reader.bytes.subarray(at, at + size);
    this.payloadBytes = payloadBytes;
  }

  /** Messages, or packets, that `advance` has not come to yet. */
  get size(): number {
    return this.#left;
  }

  /** False when there is no further message. */
  advance(): boolean {
    if (this.#left === 0 || this.packets !== null) return false;
    this.#left -= 1;
    this.record.read(this.#reader!);
    return true;
  }

  /** Passes over what nobody has read, and lets go of the record. */
  finish(): void {
    while (this.advance());
    this.#left = 0;
    this.packets = null;
    this.#reader = null;
    this.record.release();
  }
}
