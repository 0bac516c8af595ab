/**
 * Commands of the simulated store, as bytes in log entries. 20 bytes, little endian:
 *
 *   0 session u32 | 4 sequence u32 | 8 key u32 (bit 31: swap) | 12 value i32 | 16 expected i32
 *
 * A client numbers its commands; session and sequence together name one for ever, so that a command
 * that is proposed again, because its answer was lost, takes effect once (Raft thesis §6.3).
 */

export interface KvCommand {
  readonly session: number;
  readonly sequence: number;
  readonly key: number;
  readonly value: number;
  /** The value that must be there; null writes in any case. */
  readonly expected: number | null;
}

const COMMAND_BYTES = 20;
const SWAP_FLAG = 0x80000000;

export function encodeCommand(command: KvCommand): Uint8Array {
  const view = new DataView(new ArrayBuffer(COMMAND_BYTES));
  view.setUint32(0, command.session, true);
  view.setUint32(4, command.sequence, true);
  const flag = command.expected === null ? 0 : SWAP_FLAG;
  view.setUint32(8, (command.key | flag) >>> 0, true);
  view.setInt32(12, command.value, true);
  view.setInt32(16, command.expected ?? 0, true);
  return new Uint8Array(view.buffer);
}

/** Of bytes made by `encodeCommand` only: a log gives back what was put in, or it is broken. */
export function decodeCommand(bytes: Uint8Array): KvCommand {
  const view = new DataView(bytes.buffer, bytes.byteOffset, COMMAND_BYTES);
  const keyWord = view.getUint32(8, true);
  const isSwap = keyWord >= SWAP_FLAG;
  return {
    session: view.getUint32(0, true),
    sequence: view.getUint32(4, true),
    key: isSwap ? keyWord - SWAP_FLAG : keyWord,
    value: view.getInt32(12, true),
    expected: isSwap ? view.getInt32(16, true) : null,
  };
}

/** 32 bits that depend on every byte (FNV-1a). */
export function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  }
  return hash >>> 0;
}
