/**
 * A connection over a byte stream: plain TCP, or TLS over it. ws-transport.ts puts WebSocket frames
 * on top.
 *
 * Flushed output goes to the kernel chunk by chunk. When the kernel takes less than a chunk, the
 * rest is left to the stream, which waits for room, and until it reports back everything else waits
 * in `output` (state "blocked"):
 *
 *     output.head ── send ──► all taken: chunk back to the pool, next head
 *                        └──► less:      chunk to #unsent ── stream.write ──► written: pool, next head, handleDrain
 *
 * Where the kernel lets us, heads of many connections are sent together instead (send-batch.ts):
 * `gather` adds the head to a batch, `settle` goes on from what the kernel took of it.
 *
 * So at most one chunk is beyond our reach, small writes coalesce while the client is slow, and
 * `bufferedBytes` shrinks with every byte that the kernel takes. Errors of `send` are not looked
 * at: the stream meets the same error and closes. Thread: worker. Flow: publish 1/8 (bytes in) and
 * 8/8 (bytes out).
 */

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { ConnectionOrigin } from "./accept-address.ts";
import type { ListenerLane } from "./listener-lane.ts";
import { ChunkedOutput, type OutputBuffer } from "./output-buffer.ts";
import type { SendBatch } from "./send-batch.ts";
import { readIntoSharedBuffer } from "./tcp-read.ts";
import type { Transport, TransportHandler } from "./transport.ts";

const TRANSPORT = Symbol("transport");

/**
 * The parts of Node's stream handle that we read. Null once the socket is destroyed: its descriptor
 * is closed then.
 */
interface StreamHandle {
  readonly fd?: number;
  /** Bytes that libuv holds for the kernel. */
  readonly writeQueueSize?: number;
}

type CarrierSocket = Socket & {
  [TRANSPORT]?: StreamTransport;
  readonly _handle: StreamHandle | null;
};

const OPEN = 0;
/** `close` was called; output is still leaving. */
const FLUSHING = 1;
/** FIN is on its way; nothing more may be written. */
const ENDED = 2;
const DESTROYED = 3;
const CLOSED = 4;

/** Output as the transport empties it; what the members mean stands with ChunkedOutput. */
export interface StreamOutput extends OutputBuffer {
  readonly waitingSize: number;
  readonly headBytes: Buffer;
  readonly headStart: number;
  readonly headWaiting: number;
  markFlushed(): void;
  consume(size: number): void;
  takeHead(): Buffer;
  discard(): void;
}

/** A client whose socket is ready for MQTT. */
export interface StreamClient {
  readonly origin: ConnectionOrigin;
  readonly certificate: Transport["certificate"];
}

export class StreamTransport implements Transport {
  handler: TransportHandler | null = null;
  readonly output: StreamOutput;
  readonly certificate: Transport["certificate"];
  protected readonly lane: ListenerLane;
  readonly #socket: CarrierSocket;
  readonly #origin: ConnectionOrigin;
  /** -1: write through the stream. */
  readonly #fd: number;
  #state = OPEN;
  /** By the handler; noted for `start`, which settles how the socket is read. */
  #isPaused = false;
  /** The chunk that the stream works on; non-null = blocked. */
  #unsent: Buffer | null = null;
  #unsentSize = 0;
  #writesStarted = 0;
  #writesDone = 0;
  /** Made at the first write that blocks; most connections never do. */
  #onWritten: (() => void) | null = null;

  /** Takes over `socket`, an open one that nobody reads. Call `start` once a handler is set. */
  constructor(
    socket: Socket,
    lane: ListenerLane,
    client: StreamClient,
    newOutput: (lane: ListenerLane, owner: Transport) => StreamOutput = plainOutput,
  ) {
    this.#socket = socket as CarrierSocket;
    this.lane = lane;
    this.#origin = client.origin;
    this.certificate = client.certificate;
    this.output = newOutput(lane, this);
    const canSend = lane.send !== null && !(socket instanceof TLSSocket);
    this.#fd = canSend ? (this.#socket._handle?.fd ?? -1) : -1;
  }

  /**
   * Lets bytes flow to the handler; `early` was read from the socket before the transport existed.
   */
  start(early: Uint8Array | null): void {
    const socket = this.#socket;
    socket[TRANSPORT] = this;
    socket.on("error", ignoreError);
    socket.on("end", handleEnd);
    socket.on("close", handleSocketClose);
    const isTls = socket instanceof TLSSocket;
    // TLS hands out its plaintext in buffers of the right size; there is no 64 KiB to save.
    const canShare = this.lane.useSharedReadBuffer && !isTls && socket.readableLength === 0;
    // Before the handler sees early bytes: it may pause, which stops only the way of reading that
    // is in use.
    const isShared = canShare && readIntoSharedBuffer(socket, handleSharedRead);
    if (this.#isPaused) socket.pause();
    if (early !== null && early.length > 0) this.handleRead(early, early.length);
    if (!isShared) socket.on("data", handleData);
  }

  get listenerId(): string {
    return this.lane.listenerId;
  }

  get protocol(): Transport["protocol"] {
    return this.lane.protocol;
  }

  get remoteAddress(): string {
    return this.#origin.remoteAddress;
  }

  get remotePort(): number {
    return this.#origin.remotePort;
  }

  get isLoopback(): boolean {
    return this.#origin.isLoopback;
  }

  get bufferedBytes(): number {
    if (this.#unsent === null) return this.output.waitingSize;
    const queued = this.#socket._handle?.writeQueueSize ?? 0;
    const unsent = queued > 0 ? Math.min(queued, this.#unsentSize) : this.#unsentSize;
    return this.output.waitingSize + unsent;
  }

  flush(): void {
    this.output.markFlushed();
    if (this.#unsent !== null) return;
    if (this.#state < ENDED) this.#sendWaiting();
    else this.output.discard();
  }

  gather(batch: SendBatch): boolean {
    const { output } = this;
    // Flushed meanwhile, or in this very batch already: who writes a lot is dirty more than once.
    if (output.size === 0) return false;
    if (this.#unsent !== null || this.#state >= ENDED || !this.#isConnected) {
      this.flush();
      return false;
    }
    output.markFlushed();
    batch.add(this.#fd, output.headBytes, output.headStart, output.headWaiting);
    return true;
  }

  settle(taken: number): void {
    const size = this.output.headWaiting;
    if (taken > 0) {
      this.countSent(taken);
      this.output.consume(taken);
    }
    if (taken === size || this.#writeThroughStream()) this.#sendWaiting();
  }

  pauseReading(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#isPaused = false;
    this.#socket.resume();
  }

  close(): void {
    if (this.#state !== OPEN) return;
    this.#state = FLUSHING;
    this.lane.lingering.add(this);
    // Also a paused connection has to notice that the client closes.
    this.resumeReading();
    this.flush();
    if (this.#unsent === null) this.#end();
  }

  destroy(): void {
    if (this.#state >= DESTROYED) return;
    this.#state = DESTROYED;
    this.output.discard();
    this.#socket.destroy();
  }

  /**
   * Bytes from the socket; `bytes` is borrowed. For this file's listeners only, as are the next
   * two.
   */
  handleRead(bytes: Uint8Array, size: number): void {
    this.lane.counters[Counter.RECEIVED_BYTES]! += size;
    if (this.isOpen) this.handler?.handleBytes(bytes, 0, size);
  }

  /** The client has sent its last byte; what it is still owed may leave. */
  handleEnd(): void {
    if (this.#state === OPEN) this.close();
  }

  handleSocketClose(): void {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    this.lane.lingering.delete(this);
    this.output.discard();
    this.#releaseUnsent();
    const handler = this.handler;
    this.handler = null;
    handler?.handleClose();
  }

  /** Neither side has begun to close. */
  protected get isOpen(): boolean {
    return this.#state === OPEN;
  }

  /** Bytes have gone, or to where they cannot be taken back from. */
  protected countSent(size: number): void {
    this.lane.counters[Counter.SENT_BYTES]! += size;
  }

  /** The very last bytes, behind all output; null: none. */
  protected farewell(): Uint8Array | null {
    return null;
  }

  /**
   * The descriptor is there and ours: the handle is gone the moment the socket is destroyed, and
   * its descriptor may then belong to another connection, of this thread or of another one.
   */
  get #isConnected(): boolean {
    return this.#fd >= 0 && this.#socket._handle !== null;
  }

  #sendWaiting(): void {
    const output = this.output;
    while (output.waitingSize > 0) {
      const size = output.headWaiting;
      const taken = this.#send(output.headBytes, output.headStart, size);
      output.consume(taken);
      if (taken < size && !this.#writeThroughStream()) return;
    }
  }

  /** Returns how many bytes the kernel took; 0 also where only the stream can write. */
  #send(bytes: Buffer, start: number, size: number): number {
    if (!this.#isConnected) return 0;
    const from = start === 0 ? bytes : bytes.subarray(start);
    const taken = this.lane.send!(this.#fd, from, size);
    if (taken <= 0) return 0;
    this.countSent(taken);
    return taken;
  }

  /** Leaves the head to the stream. True: it has gone at once. */
  #writeThroughStream(): boolean {
    const { headStart: start, headWaiting: size } = this.output;
    const chunk = this.output.takeHead();
    this.#unsent = chunk;
    this.#unsentSize = size;
    this.countSent(size);
    this.#onWritten ??= () => this.#handleWritten();
    this.#writesStarted += 1;
    this.#socket.write(chunk.subarray(start, start + size), this.#onWritten);
    if (this.#socket.writableLength > 0) return false;
    this.#releaseUnsent();
    return true;
  }

  #handleWritten(): void {
    this.#writesDone += 1;
    // Writes that went at once report in as well, later.
    if (this.#unsent === null || this.#writesDone < this.#writesStarted) return;
    this.#releaseUnsent();
    if (this.#state >= DESTROYED) return;
    // Not `flush`: what was written since the last one leaves with the next one.
    this.#sendWaiting();
    if (this.#unsent !== null) return;
    if (this.#state === FLUSHING) this.#end();
    else this.handler?.handleDrain();
  }

  #releaseUnsent(): void {
    if (this.#unsent !== null) this.lane.pool.release(this.#unsent);
    this.#unsent = null;
  }

  #end(): void {
    this.#state = ENDED;
    const farewell = this.farewell();
    if (farewell === null) this.#socket.end();
    else this.#socket.end(farewell);
  }
}

function plainOutput(lane: ListenerLane, owner: Transport): StreamOutput {
  return new ChunkedOutput<Transport>(lane.pool, lane.markDirty, owner);
}

// One function for all sockets instead of closures per connection: the socket knows its transport.

function transportOf(socket: Socket): StreamTransport {
  return (socket as CarrierSocket)[TRANSPORT]!;
}

function handleSharedRead(this: Socket, size: number, bytes: Uint8Array): boolean {
  transportOf(this).handleRead(bytes, size);
  return true;
}

function handleData(this: Socket, bytes: Buffer): void {
  transportOf(this).handleRead(bytes, bytes.length);
}

function handleEnd(this: Socket): void {
  transportOf(this).handleEnd();
}

function handleSocketClose(this: Socket): void {
  transportOf(this).handleSocketClose();
}

/** A reset or broken connection: "close" follows and says all there is to say. */
function ignoreError(): void {}
