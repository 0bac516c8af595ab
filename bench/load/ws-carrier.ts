/**
 * The client's half of WebSocket (RFC 6455) around a stream of MQTT bytes: the upgrade, one binary
 * frame per flush, and frames of the server taken off in place.
 *
 * The masking key is zero: masking is required of a client (§5.3) and costs the server what any key
 * costs it, but a key of zero leaves the payload as it is, so the generator need not touch it.
 */

import { randomBytes } from "node:crypto";

/** Opcode and FIN, length in up to nine bytes, masking key. */
export const MAX_FRAME_HEADER_BYTES = 14;

const BINARY_FRAME = 0x82;
const PONG_FRAME = 0x8a;
const PING_OPCODE = 0x9;
const CONTROL_OPCODES = 0x8;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;
const END_OF_HEAD = Buffer.from("\r\n\r\n");

/** The HTTP request that asks for MQTT over WebSocket on path /mqtt. */
export function upgradeRequest(host: string, port: number): Buffer {
  const lines = [
    "GET /mqtt HTTP/1.1",
    `Host: ${host}:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt",
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}

/**
 * Offset behind the server's answer in bytes[0..end), -1 while it is incomplete. Throws when it is
 * a refusal.
 */
export function endOfUpgrade(bytes: Buffer, end: number): number {
  const at = bytes.subarray(0, end).indexOf(END_OF_HEAD);
  if (at < 0) return -1;
  const status = bytes.toString("latin1", 0, bytes.indexOf("\r\n"));
  if (!status.startsWith("HTTP/1.1 101")) throw new Error(`WebSocket refused: ${status}`);
  return at + END_OF_HEAD.length;
}

/**
 * Writes the header of a masked binary frame of `length` bytes so that it ends at `bodyOffset`;
 * returns where it starts.
 */
export function writeFrameHeader(bytes: Buffer, bodyOffset: number, length: number): number {
  let lengthBytes = 0;
  if (length >= 0x1_0000) lengthBytes = 8;
  else if (length >= LENGTH_16) lengthBytes = 2;
  const start = bodyOffset - MASK_BYTES - lengthBytes - 2;
  bytes[start] = BINARY_FRAME;
  if (lengthBytes === 0) {
    bytes[start + 1] = MASKED | length;
  } else if (lengthBytes === 2) {
    bytes[start + 1] = MASKED | LENGTH_16;
    bytes.writeUInt16BE(length, start + 2);
  } else {
    bytes[start + 1] = MASKED | LENGTH_64;
    bytes.writeUInt32BE(0, start + 2);
    bytes.writeUInt32BE(length, start + 6);
  }
  bytes.writeUInt32BE(0, bodyOffset - MASK_BYTES);
  return start;
}

/**
 * Takes the frames off a stream of bytes; what remains is the MQTT stream. Servers do not mask
 * (§5.1).
 */
export class FrameStripper {
  /** To be sent as they are: pongs that answer the server's pings. */
  readonly replies: Buffer[] = [];
  /** Payload bytes of the current frame that are still to come. */
  #remaining = 0;
  #isControl = false;
  #isPing = false;
  /** The beginning of a header whose end has not arrived. */
  #header: number[] = [];
  #controlPayload: number[] = [];

  /** Compacts bytes[start..end) to its MQTT content, from `start` on; returns where that ends. */
  strip(bytes: Buffer, start: number, end: number): number {
    let source = start;
    let target = start;
    while (source < end) {
      if (this.#remaining === 0) {
        source = this.#readHeader(bytes, source, end);
        continue;
      }
      const size = Math.min(this.#remaining, end - source);
      if (this.#isControl) this.#controlPayload.push(...bytes.subarray(source, source + size));
      else {
        if (target !== source) bytes.copyWithin(target, source, source + size);
        target += size;
      }
      source += size;
      this.#remaining -= size;
      this.#endControlFrame();
    }
    return target;
  }

  /** Reads header bytes until the header is complete or the bytes end; returns the new offset. */
  #readHeader(bytes: Buffer, start: number, end: number): number {
    let offset = start;
    const header = this.#header;
    while (offset < end) {
      header.push(bytes[offset]!);
      offset += 1;
      if (header.length < 2 || header.length < headerSize(header[1]!)) continue;
      this.#beginFrame(header);
      this.#header = [];
      return offset;
    }
    return offset;
  }

  #beginFrame(header: readonly number[]): void {
    const opcode = header[0]! & 0x0f;
    this.#isControl = (opcode & CONTROL_OPCODES) !== 0;
    this.#isPing = opcode === PING_OPCODE;
    this.#remaining = header.length === 2 ? header[1]! : 0;
    for (const byte of header.slice(2)) this.#remaining = this.#remaining * 256 + byte;
    this.#endControlFrame();
  }

  #endControlFrame(): void {
    if (!this.#isControl || this.#remaining > 0) return;
    if (this.#isPing) {
      const head = [PONG_FRAME, MASKED | this.#controlPayload.length, 0, 0, 0, 0];
      this.replies.push(Buffer.from([...head, ...this.#controlPayload]));
    }
    this.#controlPayload = [];
    this.#isControl = false;
    this.#isPing = false;
  }
}

function headerSize(lengthByte: number): number {
  if (lengthByte < LENGTH_16) return 2;
  return lengthByte === LENGTH_16 ? 4 : 10;
}
