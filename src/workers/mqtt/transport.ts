/**
 * One client connection as the MQTT layer sees it, whatever carries it (TCP, TLS, WebSocket): bytes
 * in order, none lost, both ways [MQTT-4.2-1].
 *
 * Bytes in: `handler.handleBytes`. Bytes out: `output.reserve(n)`, write there, and the event loop
 * calls `flush` once per duty cycle. Thread: worker.
 */

import type { OutputBuffer } from "./output-buffer.ts";
import type { SendBatch } from "./send-batch.ts";

export interface TransportHandler {
  /** bytes[start, end) is borrowed until the call returns. */
  handleBytes(bytes: Uint8Array, start: number, end: number): void;
  /** The kernel has taken everything that was waiting. */
  handleDrain(): void;
  /** The connection is gone; called exactly once, also after `close` and `destroy`. */
  handleClose(): void;
}

export interface Transport {
  readonly output: OutputBuffer;
  readonly listenerId: string;
  readonly protocol: "mqtt" | "mqtts" | "ws" | "wss";
  /** Of the client itself, taken from the PROXY header where the listener demands one. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isLoopback: boolean;
  readonly certificate: { readonly commonName: string; readonly subject: string } | null;
  /** Bytes written but not yet taken by the kernel, without what still is in `output`. */
  readonly bufferedBytes: number;
  handler: TransportHandler | null;

  /** Hands `output` to the kernel. Called by the event loop for every transport with output. */
  flush(): void;
  /**
   * As `flush`, but `output` may leave with `batch`, which has room. True: it does, and `settle`
   * has to follow the batch's submit before anything else happens to the transport. False: flushed.
   */
  gather(batch: SendBatch): boolean;
  /** The kernel took `taken` bytes of what was gathered; none if it is not positive. */
  settle(taken: number): void;
  pauseReading(): void;
  resumeReading(): void;
  /** Flushes, then ends the stream; falls back to `destroy` after a few seconds. */
  close(): void;
  /** Drops everything at once. */
  destroy(): void;
}

/**
 * Called by a listener for each connection that passed its limits; sets `transport.handler` before
 * it returns.
 */
export type ConnectionAcceptor = (transport: Transport) => void;
