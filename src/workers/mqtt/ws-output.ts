/**
 * Output of a WebSocket connection: the bytes of a duty cycle leave as one binary frame per chunk,
 * without being copied for it. Room for a header is reserved in front of the first byte; the header
 * is written when the size is known.
 *
 *     reserve     |..room..| payload ...        4 bytes of room, 10 before a packet above 64 KiB
 *     flush       |. header| payload ... |      a gap of 2 where the payload is below 126 bytes
 *
 * The gap is skipped when nothing waits in front of it. Otherwise the payload, which is short then,
 * moves up. Thread: worker. Scope: one per connection. Flow: publish 8/8, between encoder and
 * transport.
 */

import { ChunkedOutput } from "./output-buffer.ts";
import type { ChunkPool } from "./output-pool.ts";
import type { StreamOutput } from "./tcp-transport.ts";
import type { Transport } from "./transport.ts";
import { CONTROL_HEADER_SIZE, FIN, frameHeaderSize, Opcode, writeFrameHeader } from "./ws-frame.ts";

const NONE = -1;

/** Payload that a header in the usual room can announce. */
const USUAL_ROOM = 4;
const USUAL_PAYLOAD_MAX = 0xffff;
const LARGE_ROOM = 10;

export class WsOutput implements StreamOutput {
  readonly #chunks: ChunkedOutput<Transport>;
  /** Where in `bytes` the room before the open frame begins. */
  #frameStart = NONE;
  #room = USUAL_ROOM;
  /** Bytes that are not payload and have not been counted out yet. */
  #overhead = 0;

  /** As for ChunkedOutput. */
  constructor(pool: ChunkPool, markDirty: (owner: Transport) => void, owner: Transport) {
    this.#chunks = new ChunkedOutput(pool, markDirty, owner);
  }

  get bytes(): Buffer {
    return this.#chunks.bytes;
  }

  get size(): number {
    return this.#chunks.size;
  }

  get waitingSize(): number {
    return this.#chunks.waitingSize;
  }

  get headStart(): number {
    return this.#chunks.headStart;
  }

  get headBytes(): Buffer {
    return this.#chunks.headBytes;
  }

  get headWaiting(): number {
    return this.#chunks.headWaiting;
  }

  reserve(size: number): number {
    if (this.#frameStart === NONE || this.#chunks.startsChunk(size)) return this.#openFrame(size);
    return this.#chunks.reserve(size);
  }

  /** Room for bytes outside of data frames. */
  reserveRaw(size: number): number {
    this.#closeFrame();
    this.#overhead += size;
    return this.#chunks.reserve(size);
  }

  /** A Pong frame with the payload of the Ping in bytes[start, end). */
  addPong(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    const at = this.reserveRaw(CONTROL_HEADER_SIZE + size);
    const target = this.bytes;
    target[at] = FIN | Opcode.PONG;
    target[at + 1] = size;
    target.set(bytes.subarray(start, end), at + CONTROL_HEADER_SIZE);
  }

  markFlushed(): void {
    if (this.#frameStart === NONE) {
      this.#chunks.markFlushed();
      return;
    }
    const chunks = this.#chunks;
    const isFirst =
      chunks.waitingSize === 0 &&
      chunks.headStart === this.#frameStart &&
      chunks.headBytes === chunks.bytes;
    if (!isFirst) {
      this.#closeFrame();
      chunks.markFlushed();
      return;
    }
    const payload = chunks.end - this.#frameStart - this.#room;
    const headerSize = frameHeaderSize(payload);
    const gap = this.#room - headerSize;
    writeFrameHeader(chunks.bytes, this.#frameStart + gap, Opcode.BINARY, payload);
    this.#overhead += headerSize;
    this.#frameStart = NONE;
    chunks.markFlushed();
    chunks.consume(gap);
  }

  consume(size: number): void {
    this.#chunks.consume(size);
  }

  takeHead(): Buffer {
    const chunks = this.#chunks;
    const isTail = chunks.headBytes === chunks.bytes;
    const taken = chunks.headStart + chunks.headWaiting;
    const head = chunks.takeHead();
    // New bytes have moved to a chunk of their own, the open frame among them.
    if (isTail && this.#frameStart !== NONE) this.#frameStart -= taken;
    return head;
  }

  discard(): void {
    this.#frameStart = NONE;
    this.#overhead = 0;
    this.#chunks.discard();
  }

  /**
   * Of the next `size` bytes that leave, how many to count as payload. Exact in the sum, once all
   * has left.
   */
  countPayload(size: number): number {
    const overhead = Math.min(size, this.#overhead);
    this.#overhead -= overhead;
    return size - overhead;
  }

  #openFrame(size: number): number {
    this.#closeFrame();
    // A frame in the usual room ends with its chunk at the latest, and so within 64 KiB.
    this.#room = size > USUAL_PAYLOAD_MAX ? LARGE_ROOM : USUAL_ROOM;
    this.#frameStart = this.#chunks.reserve(this.#room + size);
    return this.#frameStart + this.#room;
  }

  /**
   * Completes the open frame where other bytes are in front of it or follow at once: without a gap.
   */
  #closeFrame(): void {
    if (this.#frameStart === NONE) return;
    const chunks = this.#chunks;
    const start = this.#frameStart;
    const payload = chunks.end - start - this.#room;
    const headerSize = frameHeaderSize(payload);
    const gap = this.#room - headerSize;
    if (gap > 0) {
      chunks.bytes.copyWithin(start + headerSize, start + this.#room, chunks.end);
      chunks.unreserve(gap);
    }
    writeFrameHeader(chunks.bytes, start, Opcode.BINARY, payload);
    this.#overhead += headerSize;
    this.#frameStart = NONE;
  }
}
