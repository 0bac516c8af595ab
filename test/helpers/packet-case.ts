/**
 * One row of the packet table (legal-packets.ts, illegal-packets.ts, illegal-fields.ts): packets of
 * every kind and version, and the reason code that the specification names for the illegal ones.
 * Decoder, frame assembler and fuzzing share the table, so that a packet added there is tried
 * whole, split at every byte, and mutated.
 */

import type { Level } from "./packets.ts";

/** `level` 0: before CONNECT. */
export interface PacketCase {
  readonly name: string;
  readonly level: 0 | Level;
  readonly bytes: Uint8Array;
}

export interface FaultCase extends PacketCase {
  readonly reasonCode: number;
}

export function legal(name: string, level: 0 | Level, content: Uint8Array): PacketCase {
  return { name, level, bytes: content };
}

export function illegal(
  name: string,
  level: 0 | Level,
  reasonCode: number,
  content: Uint8Array,
): FaultCase {
  return { name, level, bytes: content, reasonCode };
}
