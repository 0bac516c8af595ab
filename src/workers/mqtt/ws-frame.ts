/**
 * The format of WebSocket frames (RFC 6455 §5.2), as far as a server of MQTT needs it: numbers, and
 * the headers that it writes. Frames from clients are read in ws-frame-decoder.ts.
 *
 *      0               1               2
 *     +-+-+-+-+-------+-+-------------+---------------------------------+--------------+---------
 *     |F|R|R|R| opcode|M| length      | 126: length in 2 bytes          | mask, 4 bytes| payload
 *     |I|S|S|S|       |A| 0..125, or  | 127: length in 8 bytes          | (M = 1: from | (masked)
 *     |N|V|V|V|       |S| 126, 127    |                                 |  clients)    |
 *     +-+-+-+-+-------+-+-------------+---------------------------------+--------------+---------
 *
 * Pure. Thread: any.
 */

export const Opcode = {
  CONTINUATION: 0x0,
  TEXT: 0x1,
  BINARY: 0x2,
  CLOSE: 0x8,
  PING: 0x9,
  PONG: 0xa,
} as const;

/** Reasons for a Close frame, RFC 6455 §7.4.1. */
export const CloseCode = {
  NORMAL: 1000,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  /** Never sent: what stands for a Close frame without a code. */
  NONE: 1005,
  INVALID_TEXT: 1007,
  TOO_BIG: 1009,
} as const;

export const FIN = 0x80;
export const MASKED = 0x80;
/** In the place of a length: it follows in two, or in eight bytes. */
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;

/** Payload of a Close, Ping or Pong frame. */
export const CONTROL_SIZE_MAX = 125;
/** Header of a Close, Ping or Pong frame of ours. */
export const CONTROL_HEADER_SIZE = 2;

/** Bytes before a payload of `size` bytes in a frame of ours. */
export function frameHeaderSize(size: number): 2 | 4 | 10 {
  if (size < LENGTH_16) return 2;
  return size <= 0xffff ? 4 : 10;
}

/** Writes the header of an unfragmented, unmasked frame; it takes `frameHeaderSize(size)` bytes. */
export function writeFrameHeader(
  bytes: Uint8Array,
  at: number,
  opcode: number,
  size: number,
): void {
  bytes[at] = FIN | opcode;
  if (size < LENGTH_16) {
    bytes[at + 1] = size;
    return;
  }
  if (size <= 0xffff) {
    bytes[at + 1] = LENGTH_16;
    bytes[at + 2] = size >>> 8;
    bytes[at + 3] = size;
    return;
  }
  bytes[at + 1] = LENGTH_64;
  bytes.fill(0, at + 2, at + 6); // nothing here is as large as 4 GiB
  bytes[at + 6] = size >>> 24;
  bytes[at + 7] = size >>> 16;
  bytes[at + 8] = size >>> 8;
  bytes[at + 9] = size;
}

/** A whole Close frame; CloseCode.NONE: one that gives no reason. */
export function closeFrame(code: number): Uint8Array {
  const lead = FIN | Opcode.CLOSE;
  return code === CloseCode.NONE
    ? Uint8Array.of(lead, 0)
    : Uint8Array.of(lead, 2, code >>> 8, code & 0xff);
}

/** Codes that a client may send: assigned ones, and those for libraries and applications. */
export function isLegalCloseCode(code: number): boolean {
  if (code >= 3000) return code < 5000;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}
