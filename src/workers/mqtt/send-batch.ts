/**
 * Sends to many sockets in one system call (Linux io_uring): a turn's output for a few hundred
 * clients goes to the kernel together.
 *
 *     add(fd, chunk, start, size) … submit() … taken(index)
 *
 * Measured with 72 bytes to each of 500 subscribers, one publish in flight: 4.1 µs of CPU time per
 * delivery with a `send` each, 3.7 in batches, of which 0.4 and not 0.7 are ours. Nothing is ever
 * under way between two calls: every request says MSG_DONTWAIT and so is complete, be it without a
 * byte taken, when `submit` returns. The kernel reads the chunks only meanwhile.
 *
 * Where there is no io_uring, connections send one by one (tcp-libc.ts). Thread: worker. Scope: one
 * per worker. Flow: publish 8/8.
 */

import { type CompletionSink, IoUring, Request } from "../../platform/io-uring.ts";

/** Fewer sends than this are cheaper one by one. */
export const BATCH_SIZE_MIN = 8;
const BATCH_SIZE = 256;

const OPERATION_SEND = 26;
/** MSG_DONTWAIT | MSG_NOSIGNAL. */
const SEND_FLAGS = 0x40 | 0x4000;

export class SendBatch implements CompletionSink {
  readonly capacity: number = BATCH_SIZE;
  readonly #ring: IoUring;
  readonly #taken = new Int32Array(BATCH_SIZE);

  private constructor(ring: IoUring) {
    this.#ring = ring;
    // What is the same in all requests; nobody else writes there.
    for (let at = 0; at < ring.requests.length; at += Request.WORDS) {
      ring.requests[at + Request.OPERATION] = OPERATION_SEND;
      ring.requests[at + Request.OPERATION_FLAGS] = SEND_FLAGS;
    }
  }

  /** Null where the system cannot or may not. */
  static open(): SendBatch | null {
    const ring = IoUring.open({
      requests: BATCH_SIZE,
      completions: BATCH_SIZE,
      isDeferred: true,
    });
    return ring === null ? null : new SendBatch(ring);
  }

  get count(): number {
    return this.#ring.claimed;
  }

  /** Usable, and with room. */
  get hasRoom(): boolean {
    return this.#ring.hasRoom;
  }

  /**
   * Adds chunk[start, start + size) for the socket `fd`, both of which stay as they are until
   * `submit` has returned. Only while `hasRoom`.
   */
  add(fd: number, chunk: Uint8Array, start: number, size: number): void {
    const ring = this.#ring;
    const index = ring.claimed;
    const at = ring.claim();
    ring.requests[at + Request.FD] = fd;
    ring.requests[at + Request.SIZE] = size;
    ring.requests[at + Request.USER_DATA] = index;
    ring.writeAddress(at, chunk, start);
  }

  /** Sends what was added; `taken` then tells how it went, until the next `submit`. */
  submit(): void {
    const ring = this.#ring;
    const count = ring.claimed;
    this.#taken.fill(0, 0, count);
    let completed = 0;
    while (completed < count && ring.isOpen) {
      const underWay = count - ring.claimed - completed;
      const accepted = ring.enter(underWay);
      const answers = ring.reap(this);
      completed += answers;
      // The kernel is out of memory. Whoever is left over sends alone, and nobody may hand those
      // requests over later.
      if (accepted <= 0 && answers === 0 && underWay === 0) ring.close();
    }
  }

  /**
   * Bytes that the kernel took of the `index`th that was added; 0 or less: none, be the socket full
   * or broken.
   */
  taken(index: number): number {
    return this.#taken[index]!;
  }

  /** Nothing is added any more. */
  close(): void {
    this.#ring.close();
  }

  complete(userData: number, result: number): void {
    this.#taken[userData] = result;
  }
}
