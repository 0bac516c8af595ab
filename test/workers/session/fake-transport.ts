/**
 * A connection without a socket: what the broker writes is kept, and a test says how much of it the
 * client takes.
 */

import type { OutputBuffer } from "../../../src/workers/mqtt/output-buffer.ts";
import type { Transport, TransportHandler } from "../../../src/workers/mqtt/transport.ts";

class FakeOutput implements OutputBuffer {
  bytes = new Uint8Array(256);
  size = 0;
  readonly #markDirty: () => void;

  constructor(markDirty: () => void) {
    this.#markDirty = markDirty;
  }

  reserve(size: number): number {
    const offset = this.size;
    if (offset === 0) this.#markDirty();
    if (offset + size > this.bytes.length) {
      const larger = new Uint8Array((offset + size) * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.size += size;
    return offset;
  }

  take(): Uint8Array {
    const taken = this.bytes.slice(0, this.size);
    this.size = 0;
    return taken;
  }
}

export class FakeTransport implements Transport {
  readonly output: FakeOutput;
  readonly listenerId = "test";
  readonly protocol = "mqtt";
  readonly remoteAddress = "192.0.2.1";
  readonly remotePort = 12_345;
  readonly isLoopback = false;
  readonly certificate = null;
  handler: TransportHandler | null = null;
  isReading = true;
  /** The broker has asked for the end, or the client is gone. */
  isClosed = false;
  /** The client takes nothing: flushed bytes wait. */
  isBlocked = false;
  /** `close` waits for a client that is blocked, as long as the test likes. */
  staysOpen = false;
  #waiting: Uint8Array[] = [];
  #received: Uint8Array[] = [];

  constructor(markDirty: (transport: Transport) => void) {
    this.output = new FakeOutput(() => markDirty(this));
  }

  get bufferedBytes(): number {
    return this.#waiting.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  gather(): boolean {
    this.flush();
    return false;
  }

  settle(): void {}

  flush(): void {
    const bytes = this.output.take();
    if (bytes.length === 0 || this.isClosed) return;
    if (this.isBlocked) this.#waiting.push(bytes);
    else this.#received.push(bytes);
  }

  pauseReading(): void {
    this.isReading = false;
  }

  resumeReading(): void {
    this.isReading = true;
  }

  close(): void {
    if (this.isClosed) return;
    this.flush();
    if (this.staysOpen) return;
    this.#received.push(...this.#waiting.splice(0));
    this.#end();
  }

  destroy(): void {
    if (!this.isClosed) this.#end();
  }

  /** The client takes up to `count` flushed pieces, all by default; the last one ends the wait. */
  drain(count = Number.POSITIVE_INFINITY): void {
    this.#received.push(...this.#waiting.splice(0, count));
    if (this.#waiting.length > 0) return;
    this.isBlocked = false;
    this.handler?.handleDrain();
  }

  /** What has reached the client since the last call. */
  takeReceived(): Uint8Array[] {
    return this.#received.splice(0);
  }

  #end(): void {
    this.isClosed = true;
    this.#waiting = [];
    this.output.take();
    const { handler } = this;
    this.handler = null;
    // As a socket does: later, never from within the call that closes it.
    queueMicrotask(() => handler?.handleClose());
  }
}
