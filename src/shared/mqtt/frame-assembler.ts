/**
 * Cuts a connection's byte stream so that the decoder sees whole packets. A chunk that holds only
 * whole packets goes through without a copy; what is left of one waits in memory of its own, which
 * exists only while something waits.
 *
 *   chunk 1: [ packet | packet | pac      chunk 2: ket | packet ]
 *             `----- passed on ------'  held -> [packet] passed on, then the rest of chunk 2 from its own bytes
 *
 * The held bytes grow with what really arrived, doubling, never with what a remaining length
 * promises, and a packet above the limit is refused before a byte of it is held. Flow: publish 1/8,
 * between transport and decoder. Thread: worker. Scope: one per connection.
 */

import { assert } from "../base/assert.ts";
import { copyBytes } from "../bytes/copy-bytes.ts";
import { DECODE_INCOMPLETE, peekPacketSize } from "./decoder.ts";
import { ReasonCode } from "./reason-code.ts";

/** Bytes that hold every fixed header: first byte and up to four of remaining length. */
const MAX_HEADER_SIZE = 5;
const FIRST_CAPACITY = 64;

/** Where packets go. One implementation per broker, so that the call stays monomorphic. */
export interface FrameSink {
  /**
   * True: takes no packets at the moment (it awaits something); `resume` is called when it does
   * again.
   */
  readonly isPaused: boolean;
  /**
   * Handles the packets in bytes[start, end), borrowed until it returns, and returns how many bytes
   * it consumed: less than all when the last packet is incomplete or the sink paused. Negative: the
   * connection is over (also when the sink itself closed it), and the assembler passes the value
   * on.
   */
  handleFrames(bytes: Uint8Array, start: number, end: number): number;
}

/**
 * `push` and `resume`: go on. Negative results are reason codes, from the sink or from a limit
 * here.
 */
export const FRAMES_OK = 0;

export class FrameAssembler {
  /** Null while nothing waits. */
  #held: Uint8Array | null = null;
  #heldSize = 0;

  /** Bytes that arrived and were not consumed. */
  get heldSize(): number {
    return this.#heldSize;
  }

  /** Memory taken for them. */
  get heldCapacity(): number {
    return this.#held === null ? 0 : this.#held.length;
  }

  /**
   * Takes bytes[start, end), borrowed until the call returns. `limit`: the largest packet, and the
   * most bytes that may wait for a paused sink. Returns FRAMES_OK, or a negative reason code after
   * which nothing may be pushed any more: 0x81 or 0x95 for a held packet whose length is malformed
   * or too large, 0x97 when too much waits for a paused sink.
   */
  push(bytes: Uint8Array, start: number, end: number, limit: number, sink: FrameSink): number {
    let at = start;
    while (this.#heldSize > 0 && !sink.isPaused && at < end) {
      const wanted = this.#bytesWanted(limit);
      if (wanted < 0) return this.#end(wanted);
      const taken = Math.min(wanted, end - at);
      this.#hold(bytes, at, taken);
      at += taken;
      if (taken < wanted) return FRAMES_OK;
      const before = this.#heldSize;
      const result = this.#passHeld(sink);
      if (result < 0) return result;
      const isProgress = taken > 0 || this.#heldSize < before || sink.isPaused;
      assert(isProgress, "a sink that is not paused consumes whole packets");
    }
    if (at === end) return FRAMES_OK;
    if (sink.isPaused) return this.#wait(bytes, at, end, limit);
    const consumed = sink.handleFrames(bytes, at, end);
    if (consumed < 0) return this.#end(consumed);
    assert(consumed <= end - at, "a sink consumes what it was given");
    at += consumed;
    if (at === end) return FRAMES_OK;
    if (sink.isPaused) return this.#wait(bytes, at, end, limit);
    this.#hold(bytes, at, end - at); // an incomplete packet, whose size the decoder has checked
    return FRAMES_OK;
  }

  /** Passes on what waits, after the sink has ended its pause. Result as `push`. */
  resume(sink: FrameSink): number {
    return this.#heldSize === 0 || sink.isPaused ? FRAMES_OK : this.#passHeld(sink);
  }

  /** Forgets everything; for the end of a connection. */
  clear(): void {
    this.#held = null;
    this.#heldSize = 0;
  }

  /**
   * How many more bytes complete the packet that waits at the front, 0 when it is whole; or a
   * negative reason code. While its length is not whole, one byte at a time: that happens for at
   * most four bytes of a chunk.
   */
  #bytesWanted(limit: number): number {
    const size = peekPacketSize(this.#held!, 0, this.#heldSize, limit);
    if (size < 0) return size;
    if (size === DECODE_INCOMPLETE) {
      assert(this.#heldSize < MAX_HEADER_SIZE, "a whole fixed header says its size");
      return 1;
    }
    // The packet may be whole already: a sink that paused has left it.
    return Math.max(0, size - this.#heldSize);
  }

  #passHeld(sink: FrameSink): number {
    const held = this.#held!;
    const consumed = sink.handleFrames(held, 0, this.#heldSize);
    if (consumed < 0) return this.#end(consumed);
    assert(consumed <= this.#heldSize, "a sink consumes what it was given");
    this.#heldSize -= consumed;
    if (this.#heldSize === 0) this.#held = null;
    else if (consumed > 0) held.copyWithin(0, consumed, consumed + this.#heldSize);
    return FRAMES_OK;
  }

  #wait(bytes: Uint8Array, start: number, end: number, limit: number): number {
    if (this.#heldSize + end - start > limit) return this.#end(-ReasonCode.QUOTA_EXCEEDED);
    this.#hold(bytes, start, end - start);
    return FRAMES_OK;
  }

  #hold(bytes: Uint8Array, start: number, size: number): void {
    const needed = this.#heldSize + size;
    if (this.#held === null || needed > this.#held.length) {
      // Twice what is there: the other half of a packet cut in two then finds its room.
      const grown = new Uint8Array(Math.max(needed * 2, FIRST_CAPACITY));
      if (this.#held !== null) copyBytes(grown, 0, this.#held, 0, this.#heldSize);
      this.#held = grown;
    }
    copyBytes(this.#held, this.#heldSize, bytes, start, size);
    this.#heldSize = needed;
  }

  #end(result: number): number {
    this.clear();
    return result;
  }
}
