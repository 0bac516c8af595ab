/**
 * From the byte stream of a WebSocket client to the byte stream inside: checks frames, takes off
 * headers and masks, and leaves the payload of all frames of a read behind each other, in the very
 * buffer it came in:
 *
 *     read:   [ header | payload 1 | header | payload 2 | header | first half of payload 3 ]
 *     sink:             [ payload 1 | payload 2 | first half of payload 3 ]
 *
 * MQTT does not care where frames begin and end [MQTT-6.0.0-2], so no frame has to be whole before
 * it is passed on. All that is ever kept of one is a header cut in two, or a control frame: at most
 * 131 bytes.
 *
 * Lengths in a longer form than necessary pass: small clients send them, and nothing depends on it.
 * Pure: no IO, no clock. Thread: worker. Scope: one per connection; nothing here throws, whatever a
 * client sends.
 */

import { assert } from "../../shared/base/assert.ts";
import { isValidUtf8 } from "../../shared/bytes/utf8.ts";
import {
  CloseCode,
  CONTROL_SIZE_MAX,
  FIN,
  isLegalCloseCode,
  LENGTH_16,
  LENGTH_64,
  MASKED,
  Opcode,
} from "./ws-frame.ts";
import { unmask } from "./ws-mask.ts";

/** Where frames go. Bytes are borrowed until the call returns. One implementation in the broker. */
export interface WsFrameSink {
  /** The longest frame that is accepted. */
  readonly frameSizeMax: number;
  /** The next bytes of the stream inside; called once per `decode` at most. */
  handlePayload(bytes: Uint8Array, start: number, end: number): void;
  handlePing(bytes: Uint8Array, start: number, end: number): void;
  /** The client says goodbye; `code` is to be said back. Last call, as is the next. */
  handleCloseFrame(code: number): void;
  /** The client broke the protocol; `code` is to be told. */
  handleViolation(code: number, text: string): void;
}

const MASK_SIZE = 4;
const SHORT_HEADER_SIZE = 2 + MASK_SIZE;
const HELD_SIZE_MAX = SHORT_HEADER_SIZE + CONTROL_SIZE_MAX;

/** Results of the header functions besides "so many bytes used". */
const INCOMPLETE = 0;
const OVER = -1;

/** Opcodes, RSV bits 0, that begin or go on with something; any other lead byte is a violation. */
const FIN_AND_OPCODE = FIN | 0x0f;
const CONTROL_BIT = 0x08;

export class WsFrameDecoder {
  /** Payload bytes of the current data frame still to come. */
  #left = 0;
  /** Its mask, the byte for the next payload byte on top. */
  #mask = 0;
  /** The current message goes on with a further frame. */
  #isFragmented = false;
  /** A header or control frame that ended with the last read; null while nothing waits. */
  #held: Uint8Array | null = null;
  #heldSize = 0;
  /** Not 0: nothing is decoded any more. */
  #endCode = 0;
  /** Null: the client closed. */
  #violation: string | null = null;

  /** Takes bytes[start, end) of the connection, and writes to them. */
  decode(bytes: Uint8Array, start: number, end: number, sink: WsFrameSink): void {
    if (this.#endCode !== 0) return;
    let at = this.#held === null ? start : this.#completeHeld(bytes, start, end, sink);
    let first = at;
    let last = at;
    while (at < end && this.#endCode === 0) {
      if (this.#left === 0) {
        const used = this.#readHeader(bytes, at, end, sink);
        if (used === INCOMPLETE) this.#hold(bytes, at, end);
        if (used <= INCOMPLETE) break;
        at += used;
        continue;
      }
      // The first payload stays where it is, others move up to it.
      if (first === last) {
        first = at;
        last = at;
      }
      const size = Math.min(this.#left, end - at);
      this.#mask = unmask(bytes, at, last, size, this.#mask);
      this.#left -= size;
      last += size;
      at += size;
    }
    if (first < last) sink.handlePayload(bytes, first, last);
    if (this.#endCode !== 0) this.#reportEnd(sink);
  }

  #reportEnd(sink: WsFrameSink): void {
    if (this.#violation === null) sink.handleCloseFrame(this.#endCode);
    else sink.handleViolation(this.#endCode, this.#violation);
  }

  /**
   * Reads a data frame's header or a whole control frame at `at`: bytes used, INCOMPLETE or OVER.
   */
  #readHeader(bytes: Uint8Array, at: number, end: number, sink: WsFrameSink): number {
    if (end - at < 2) return INCOMPLETE;
    const lead = bytes[at]!;
    const second = bytes[at + 1]!;
    if ((lead & ~FIN_AND_OPCODE) !== 0) return this.#fail("reserved bit set");
    if ((second & MASKED) === 0) return this.#fail("frame without a mask");
    const length = second & ~MASKED;
    if ((lead & CONTROL_BIT) !== 0) return this.#readControl(bytes, at, end, sink);
    const fault = this.#checkOrder(lead & 0x0f);
    if (fault !== null) return this.#fail(fault);
    if ((lead & 0x0f) === Opcode.TEXT) {
      return this.#fail("text frame", CloseCode.UNSUPPORTED_DATA); // [MQTT-6.0.0-1]
    }
    const lengthSize = length < LENGTH_16 ? 0 : length === LENGTH_16 ? 2 : 8;
    const headerSize = SHORT_HEADER_SIZE + lengthSize;
    if (end - at < headerSize) return INCOMPLETE;
    this.#left = lengthSize === 0 ? length : readLength(bytes, at + 2, length);
    if (this.#left < 0) return this.#fail("length above 2^63");
    if (this.#left > sink.frameSizeMax) return this.#fail("frame too large", CloseCode.TOO_BIG);
    this.#mask = readInt32(bytes, at + headerSize - MASK_SIZE);
    this.#isFragmented = (lead & FIN) === 0;
    return headerSize;
  }

  /** RFC 6455 §5.4: a message is one frame, or a first one and continuations. */
  #checkOrder(opcode: number): string | null {
    if (opcode > Opcode.BINARY) return "unknown opcode";
    if (opcode === Opcode.CONTINUATION) {
      return this.#isFragmented ? null : "continuation of nothing";
    }
    return this.#isFragmented ? "new message inside another" : null;
  }

  #readControl(bytes: Uint8Array, at: number, end: number, sink: WsFrameSink): number {
    const lead = bytes[at]!;
    const opcode = lead & 0x0f;
    const length = bytes[at + 1]! & ~MASKED;
    if (opcode > Opcode.PONG) return this.#fail("unknown opcode");
    if ((lead & FIN) === 0) return this.#fail("fragmented control frame");
    if (length > CONTROL_SIZE_MAX) return this.#fail("control frame too large");
    const start = at + SHORT_HEADER_SIZE;
    const size = SHORT_HEADER_SIZE + length;
    if (end - at < size) return INCOMPLETE;
    unmask(bytes, start, start, length, readInt32(bytes, at + 2));
    if (opcode === Opcode.PING) sink.handlePing(bytes, start, start + length);
    if (opcode === Opcode.CLOSE) return this.#readClose(bytes, start, length);
    return size;
  }

  #readClose(bytes: Uint8Array, start: number, size: number): typeof OVER {
    if (size === 0) {
      this.#endCode = CloseCode.NONE;
      return OVER;
    }
    const code = size === 1 ? 0 : (bytes[start]! << 8) | bytes[start + 1]!;
    if (!isLegalCloseCode(code)) return this.#fail("illegal close code");
    if (!isValidUtf8(bytes, start + 2, start + size)) {
      return this.#fail("close reason is not UTF-8", CloseCode.INVALID_TEXT);
    }
    this.#endCode = code;
    return OVER;
  }

  #fail(text: string, code: number = CloseCode.PROTOCOL_ERROR): typeof OVER {
    this.#left = 0;
    this.#endCode = code;
    this.#violation = text;
    return OVER;
  }

  #hold(bytes: Uint8Array, start: number, end: number): void {
    this.#held = new Uint8Array(HELD_SIZE_MAX);
    this.#heldSize = 0;
    this.#addHeld(bytes, start, end);
  }

  #addHeld(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at += 1) {
      this.#held![this.#heldSize] = bytes[at]!;
      this.#heldSize += 1;
    }
  }

  /**
   * Completes what waits with the front of bytes[start, end), and returns where the bytes behind it
   * begin.
   */
  #completeHeld(bytes: Uint8Array, start: number, end: number, sink: WsFrameSink): number {
    const held = this.#held!;
    const before = this.#heldSize;
    const taken = Math.min(HELD_SIZE_MAX - before, end - start);
    this.#addHeld(bytes, start, start + taken);
    const used = this.#readHeader(held, 0, this.#heldSize, sink);
    if (used === INCOMPLETE) {
      assert(taken === end - start, "131 bytes hold any header and any control frame");
      return end;
    }
    this.#held = null;
    return used === OVER ? end : start + used - before;
  }
}

/** The length behind LENGTH_16 or LENGTH_64; negative when it is illegal. */
function readLength(bytes: Uint8Array, at: number, form: number): number {
  if (form !== LENGTH_64) return (bytes[at]! << 8) | bytes[at + 1]!;
  const high = readInt32(bytes, at);
  return high * 2 ** 32 + (readInt32(bytes, at + 4) >>> 0);
}

function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
