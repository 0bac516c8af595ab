/**
 * A connection over uWebSockets.js: binary frames of at most 16,000 bytes. The library copies what
 * it is given, so chunks go back to the pool as soon as their last frame is handed over.
 *
 * It cannot stop reading a WebSocket. While the MQTT layer pauses, messages are therefore copied
 * and kept, and a client that sends on until the backlog is full is closed. Thread: worker. Flow:
 * publish 1/8 (bytes in) and 8/8 (bytes out).
 */

import type { UwsSocket } from "../../platform/uws-binding.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { ConnectionOrigin } from "./accept-address.ts";
import type { ListenerLane } from "./listener-lane.ts";
import { ChunkedOutput } from "./output-buffer.ts";
import type { Transport, TransportHandler } from "./transport.ts";
import { frameSizeMax } from "./ws-transport.ts";

const CLOSE_NORMAL = 1000;
const CLOSE_UNSUPPORTED_DATA = 1003;
const CLOSE_POLICY = 1008;

/**
 * Frames that fit the library's 16 KiB cork buffer with their header are safe. With a larger one, a
 * header that the kernel does not take at once loses its payload (uNetworking/uWebSockets#1662,
 * fixed after the copy for Node 20).
 */
const FRAME_SIZE_MAX = 16_000;

const OPEN = 0;
/** `close` was called; output is still leaving. */
const FLUSHING = 1;
const CLOSED = 2;

export class UwsTransport implements Transport {
  handler: TransportHandler | null = null;
  readonly output: ChunkedOutput<Transport>;
  readonly certificate = null;
  readonly #lane: ListenerLane;
  readonly #origin: ConnectionOrigin;
  /** Null once closed: the library's object must not be used any more. */
  #socket: UwsSocket | null;
  #state = OPEN;
  #isPaused = false;
  readonly #backlog: Uint8Array[] = [];
  #backlogBytes = 0;

  constructor(socket: UwsSocket, lane: ListenerLane, origin: ConnectionOrigin) {
    this.#socket = socket;
    this.#lane = lane;
    this.#origin = origin;
    this.output = new ChunkedOutput<Transport>(lane.pool, lane.markDirty, this);
  }

  get listenerId(): string {
    return this.#lane.listenerId;
  }

  get protocol(): Transport["protocol"] {
    return this.#lane.protocol;
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
    return this.output.waitingSize + this.#libraryBytes;
  }

  flush(): void {
    if (this.#socket === null) {
      this.output.discard();
      return;
    }
    this.output.markFlushed();
    this.#sendWaiting(this.#socket);
  }

  gather(): boolean {
    this.flush();
    return false;
  }

  /** Never gathered. */
  settle(): void {}

  pauseReading(): void {
    this.#isPaused = true;
  }

  resumeReading(): void {
    this.#isPaused = false;
    // Later, because the caller may be in the middle of a message.
    if (this.#backlog.length > 0) queueMicrotask(() => this.#deliverBacklog());
  }

  close(): void {
    if (this.#state !== OPEN) return;
    this.#state = FLUSHING;
    this.#lane.lingering.add(this);
    this.flush();
    this.#endWhenFlushed();
  }

  destroy(): void {
    this.output.discard();
    this.#socket?.close();
  }

  /** The next three are for the listener's callbacks only. */
  handleMessage(message: ArrayBuffer, isBinary: boolean): void {
    if (this.#state !== OPEN) return;
    if (!isBinary) {
      this.#socket?.end(CLOSE_UNSUPPORTED_DATA, ""); // [MQTT-6.0.0-1]
      return;
    }
    this.#lane.counters[Counter.RECEIVED_BYTES]! += message.byteLength;
    const bytes = new Uint8Array(message);
    if (this.#isPaused || this.#backlog.length > 0) this.#keep(bytes);
    else this.handler?.handleBytes(bytes, 0, bytes.length);
  }

  handleDrain(): void {
    if (this.#socket === null) return;
    this.#sendWaiting(this.#socket);
    if (this.#state === FLUSHING) this.#endWhenFlushed();
    else if (this.bufferedBytes === 0) this.handler?.handleDrain();
  }

  handleSocketClose(): void {
    this.#socket = null;
    this.#state = CLOSED;
    this.#lane.lingering.delete(this);
    this.output.discard();
    this.#backlog.length = 0;
    const handler = this.handler;
    this.handler = null;
    // The library calls back from within `end` and `close`; the MQTT layer is not to meet this
    // inside its own call.
    if (handler !== null) queueMicrotask(() => handler.handleClose());
  }

  /** What the library holds for the kernel. */
  get #libraryBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  #sendWaiting(socket: UwsSocket): void {
    const output = this.output;
    while (output.waitingSize > 0 && socket.getBufferedAmount() === 0) {
      const start = output.headStart;
      const size = Math.min(output.headWaiting, FRAME_SIZE_MAX);
      socket.send(output.headBytes.subarray(start, start + size), true, false);
      this.#lane.counters[Counter.SENT_BYTES]! += size;
      output.consume(size);
    }
  }

  #endWhenFlushed(): void {
    if (this.bufferedBytes === 0) this.#socket?.end(CLOSE_NORMAL, "");
  }

  /** The library takes `bytes` back when the callback returns. */
  #keep(bytes: Uint8Array): void {
    this.#backlogBytes += bytes.length;
    if (this.#backlogBytes > frameSizeMax(this.#lane.limits)) {
      this.#socket?.end(CLOSE_POLICY, "too much data while paused");
      return;
    }
    this.#backlog.push(bytes.slice());
  }

  #deliverBacklog(): void {
    while (!this.#isPaused && this.#state === OPEN) {
      const bytes = this.#backlog.shift();
      if (bytes === undefined) return;
      this.#backlogBytes -= bytes.length;
      this.handler?.handleBytes(bytes, 0, bytes.length);
    }
  }
}
