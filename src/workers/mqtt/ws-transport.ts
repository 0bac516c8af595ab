/**
 * A connection whose byte stream is cut into WebSocket frames, over plain or TLS sockets:
 * StreamTransport with frames taken off what comes in (ws-frame-decoder.ts) and put around what
 * goes out (ws-output.ts).
 *
 * The end: our Close frame is the last thing behind all output, then FIN; the client's own Close
 * frame is not waited for, and its code is said back when it closes first (RFC 6455 §7.1). Nothing
 * of a message is held here, so what a client may make the broker hold before it is authenticated
 * is for the session alone to limit.
 *
 * Measured on Node 20, user time per 72-byte packet in a frame of its own: in 0.75 µs, out 0.6 µs
 * (plain TCP 0.6 and 0.5, uWebSockets.js 0.7 and 0.55, `ws` 1.25 and 1.3); 64 frames per read: 0.05
 * µs each (0.01, 0.36, 0.33). Thread: worker. Flow: publish 1/8 (bytes in) and 8/8 (bytes out).
 */

import type { Socket } from "node:net";
import type { LimitsConfig } from "../../shared/config/config.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { ListenerLane } from "./listener-lane.ts";
import { type StreamClient, StreamTransport } from "./tcp-transport.ts";
import type { Transport } from "./transport.ts";
import { CloseCode, closeFrame } from "./ws-frame.ts";
import { WsFrameDecoder, type WsFrameSink } from "./ws-frame-decoder.ts";
import { WsOutput } from "./ws-output.ts";

/**
 * Frames may hold several packets [MQTT-6.0.0-2]; one of the largest and this many bytes of others
 * pass.
 */
const FRAME_SLACK_BYTES = 65_536;

/**
 * Pongs are not sent while this much waits: a client that pings and never reads would otherwise
 * fill our memory. Also RFC 6455 §5.5.3 has one pong answer several pings.
 */
export const PONG_BACKLOG_MAX_BYTES = 65_536;

/** Largest WebSocket frame that is accepted. */
export function frameSizeMax(limits: LimitsConfig): number {
  return limits.maxPacketSize + FRAME_SLACK_BYTES;
}

export class WsTransport extends StreamTransport implements WsFrameSink {
  readonly #frames: WsOutput;
  readonly #decoder = new WsFrameDecoder();
  #closeCode: number = CloseCode.NORMAL;

  /**
   * Takes over `socket` behind its upgrade request. Call `respond`, then `start` once a handler is
   * set.
   */
  constructor(socket: Socket, lane: ListenerLane, client: StreamClient) {
    super(socket, lane, client, newOutput);
    this.#frames = this.output as WsOutput;
  }

  /**
   * Sends the response to the upgrade request: by the way of all output, so that nothing can
   * overtake it.
   */
  respond(head: string): void {
    const bytes = Buffer.from(head, "latin1");
    const at = this.#frames.reserveRaw(bytes.length);
    this.#frames.bytes.set(bytes, at);
    this.flush();
  }

  override handleRead(bytes: Uint8Array, size: number): void {
    if (this.isOpen) this.#decoder.decode(bytes, 0, size, this);
  }

  /** The rest is for the decoder, and for the base class. */
  get frameSizeMax(): number {
    return frameSizeMax(this.lane.limits);
  }

  handlePayload(bytes: Uint8Array, start: number, end: number): void {
    this.lane.counters[Counter.RECEIVED_BYTES]! += end - start;
    this.handler?.handleBytes(bytes, start, end);
  }

  handlePing(bytes: Uint8Array, start: number, end: number): void {
    const backlog = this.output.size + this.bufferedBytes;
    if (backlog < PONG_BACKLOG_MAX_BYTES) this.#frames.addPong(bytes, start, end);
  }

  handleCloseFrame(code: number): void {
    this.#closeWith(code);
  }

  handleViolation(code: number, text: string): void {
    const { remoteAddress, listenerId } = this;
    this.lane.log.warn("websocket_error", { listener: listenerId, remoteAddress, reason: text });
    this.#closeWith(code);
  }

  protected override countSent(size: number): void {
    super.countSent(this.#frames.countPayload(size));
  }

  protected override farewell(): Uint8Array {
    return closeFrame(this.#closeCode);
  }

  /** The handler may have closed meanwhile: then its code stands. */
  #closeWith(code: number): void {
    if (this.isOpen) this.#closeCode = code;
    this.close();
  }
}

function newOutput(lane: ListenerLane, owner: Transport): WsOutput {
  return new WsOutput(lane.pool, lane.markDirty, owner);
}
