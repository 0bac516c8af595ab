/** Frames as WebSocket clients send them, legal or not. */

import { CloseCode, FIN, MASKED, Opcode } from "../../../src/workers/mqtt/ws-frame.ts";

export interface ClientFrame {
  /** Default BINARY. */
  readonly opcode?: number;
  readonly payload?: Uint8Array | string;
  /** Default true. */
  readonly isFinal?: boolean;
  /** RSV1 to RSV3: 0x40, 0x20, 0x10. */
  readonly reserved?: number;
  /** Four bytes; null: not masked. */
  readonly mask?: readonly number[] | null;
  /** How the length is written; default: the shortest way. */
  readonly lengthForm?: 7 | 16 | 64;
  /** What the header says instead of the payload's size. */
  readonly announcedSize?: bigint;
}

const DEFAULT_MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

export function clientFrame(frame: ClientFrame = {}): Buffer {
  const { opcode = Opcode.BINARY, isFinal = true, reserved = 0, mask = DEFAULT_MASK } = frame;
  const payload = Buffer.from((frame.payload ?? "") as Uint8Array);
  const size = frame.announcedSize ?? BigInt(payload.length);
  const form = frame.lengthForm ?? (size < 126n ? 7 : size < 65_536n ? 16 : 64);
  const lead = (isFinal ? FIN : 0) | reserved | opcode;
  const masked = mask === null ? 0 : MASKED;
  const head = Buffer.concat([
    Buffer.of(lead, masked | (form === 7 ? Number(size) : form === 16 ? 126 : 127)),
    lengthBytes(size, form),
    Buffer.from(mask ?? []),
  ]);
  const body = mask === null ? payload : payload.map((byte, at) => byte ^ (mask[at & 3] ?? 0));
  return Buffer.concat([head, body]);
}

function lengthBytes(size: bigint, form: 7 | 16 | 64): Buffer {
  if (form === 7) return Buffer.alloc(0);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(size);
  return form === 16 ? bytes.subarray(6) : bytes;
}

/** A Close frame with a code and a reason, or with any payload at all. */
export function clientClose(
  code: number = CloseCode.NORMAL,
  reason: string | Uint8Array = "",
): Buffer {
  const payload = Buffer.concat([
    Buffer.of(code >>> 8, code & 0xff),
    Buffer.from(reason as string),
  ]);
  return clientFrame({ opcode: Opcode.CLOSE, payload });
}
