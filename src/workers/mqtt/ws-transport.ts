/**
 * A connection over the `ws` package: one binary frame per output chunk, compression off.
 *
 * As in tcp-transport.ts, flushed output waits in `output` while the socket below has not taken the previous chunks.
 * Thread: worker. Flow: publish 1/8 (bytes in) and 8/8 (bytes out).
 */

import type { Socket } from "node:net";
import type { RawData, WebSocket } from "ws";
import type { LimitsConfig } from "../../shared/config/config.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { ConnectionOrigin } from "./accept-address.ts";
import type { ListenerLane } from "./listener-lane.ts";
import { ChunkedOutput } from "./output-buffer.ts";
import type { Transport, TransportHandler } from "./transport.ts";

const CLOSE_NORMAL = 1000;
const CLOSE_UNSUPPORTED_DATA = 1003;

/** Frames may hold several packets [MQTT-6.0.0-2]; one of the largest and this many bytes of others pass. */
const MESSAGE_SLACK_BYTES = 65_536;

/**
 * Pongs are not sent while this much waits: a client that pings and never reads would otherwise fill our memory. Also
 * RFC 6455 §5.5.3 has one pong answer several pings.
 */
export const PONG_BACKLOG_MAX_BYTES = 65_536;

const BINARY_FRAME = { binary: true, compress: false } as const;

/** Largest WebSocket message that is accepted. */
export function messageSizeMax(limits: LimitsConfig): number {
  return limits.maxPacketSize + MESSAGE_SLACK_BYTES;
}

const OPEN = 0;
/** `close` was called; output is still leaving. */
const FLUSHING = 1;
/** The close frame is on its way, or the connection gone. */
const ENDED = 2;

export class WsTransport implements Transport {
  handler: TransportHandler | null = null;
  readonly output: ChunkedOutput<Transport>;
  readonly certificate: Transport["certificate"];
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #lane: ListenerLane;
  readonly #origin: ConnectionOrigin;
  #state = OPEN;
  /** Chunks that `ws` has not reported sent, oldest first. */
  readonly #inFlight: Buffer[] = [];
  #isBlocked = false;
  /** Bytes received since the last whole message, while the client is a stranger; then -1. */
  #strangerBytes = 0;

  /** Takes over an upgraded connection; messages come in later ticks, so the acceptor may set the handler after. */
  constructor(
    webSocket: WebSocket,
    socket: Socket,
    lane: ListenerLane,
    client: Pick<Transport, "certificate"> & { readonly origin: ConnectionOrigin },
  ) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#lane = lane;
    this.#origin = client.origin;
    this.certificate = client.certificate;
    this.output = new ChunkedOutput<Transport>(lane.pool, lane.markDirty, this);
    webSocket.binaryType = "fragments";
    webSocket.on("message", (data, isBinary) => this.#handleMessage(data, isBinary));
    webSocket.on("ping", answerPing);
    webSocket.on("error", ignoreError);
    webSocket.on("close", () => this.#handleSocketClose());
    socket.prependListener("data", this.#countStrangerBytes);
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
    return this.output.waitingSize + this.#webSocket.bufferedAmount;
  }

  flush(): void {
    const output = this.output;
    if (this.#state === ENDED) {
      output.discard();
      return;
    }
    if (this.#strangerBytes >= 0 && output.size > 0) this.#greet();
    output.markFlushed();
    this.#sendWaiting();
  }

  pauseReading(): void {
    this.#webSocket.pause();
  }

  resumeReading(): void {
    this.#webSocket.resume();
  }

  close(): void {
    this.#closeWith(CLOSE_NORMAL);
  }

  destroy(): void {
    this.#state = ENDED;
    this.output.discard();
    this.#webSocket.terminate();
  }

  #closeWith(code: number): void {
    if (this.#state !== OPEN) return;
    this.#state = FLUSHING;
    this.#lane.lingering.add(this);
    this.resumeReading();
    this.flush();
    if (code !== CLOSE_NORMAL || !this.#isBlocked) this.#end(code);
  }

  #end(code: number): void {
    this.#state = ENDED;
    this.output.discard();
    this.#webSocket.close(code);
  }

  #handleMessage(data: RawData, isBinary: boolean): void {
    if (this.#state !== OPEN) return;
    if (!isBinary) {
      this.#closeWith(CLOSE_UNSUPPORTED_DATA); // [MQTT-6.0.0-1]
      return;
    }
    if (this.#strangerBytes > 0) this.#strangerBytes = 0;
    for (const bytes of data as Buffer[]) {
      this.#lane.counters[Counter.RECEIVED_BYTES]! += bytes.length;
      if (this.#state === OPEN) this.handler?.handleBytes(bytes, 0, bytes.length);
    }
  }

  /**
   * Before the broker's first answer a client may not make `ws` collect more than the pre-authentication limit: the
   * library's own limit is one for all messages, and has to let the largest packet of an authenticated client pass.
   */
  readonly #countStrangerBytes = (bytes: Buffer): void => {
    this.#strangerBytes += bytes.length;
    if (this.#strangerBytes > this.#lane.limits.preAuthBytes) this.destroy();
  };

  /** The first answer is on its way. */
  #greet(): void {
    this.#strangerBytes = -1;
    this.#socket.off("data", this.#countStrangerBytes);
  }

  #sendWaiting(): void {
    const output = this.output;
    while (output.waitingSize > 0 && !this.#isBlocked) {
      const { headStart: start, headWaiting: size } = output;
      const chunk = output.takeHead();
      this.#inFlight.push(chunk);
      this.#lane.counters[Counter.SENT_BYTES]! += size;
      this.#webSocket.send(chunk.subarray(start, start + size), BINARY_FRAME, this.#handleSent);
      this.#isBlocked = this.#webSocket.bufferedAmount > 0;
    }
  }

  readonly #handleSent = (): void => {
    const chunk = this.#inFlight.shift();
    if (chunk === undefined) return;
    this.#lane.pool.release(chunk);
    if (!this.#isBlocked || this.#inFlight.length > 0) return;
    this.#isBlocked = false;
    this.#sendWaiting();
    if (this.#isBlocked) return;
    if (this.#state === FLUSHING) this.#end(CLOSE_NORMAL);
    else if (this.#state === OPEN) this.handler?.handleDrain();
  };

  #handleSocketClose(): void {
    this.#state = ENDED;
    this.#lane.lingering.delete(this);
    this.output.discard();
    for (const chunk of this.#inFlight) this.#lane.pool.release(chunk);
    this.#inFlight.length = 0;
    const handler = this.handler;
    this.handler = null;
    handler?.handleClose();
  }
}

function answerPing(this: WebSocket, bytes: Buffer): void {
  const isOpen = this.readyState === this.OPEN;
  if (isOpen && this.bufferedAmount < PONG_BACKLOG_MAX_BYTES) this.pong(bytes);
}

/** A broken frame or connection: "close" follows and says all there is to say. */
function ignoreError(): void {}
