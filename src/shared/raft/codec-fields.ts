/**
 * Field forms that Raft's codecs share, on top of the strict reader: whatever the bytes are,
 * nothing throws, and no count makes anybody allocate more than the bytes that are really there.
 */

import type { WireReader } from "../bytes/wire-reader.ts";

/** 0 or 1, nothing else, so that every value has one encoding. */
export function readFlag(reader: WireReader): boolean {
  const value = reader.u8();
  if (value > 1) reader.refuse();
  return value === 1;
}

/** A number of items, each of which takes `itemBytes` at least. */
export function readCount(reader: WireReader, itemBytes: number): number {
  const count = reader.u32();
  if (count * itemBytes > reader.remaining) reader.refuse();
  return reader.isMalformed ? 0 : count;
}

/** Length, then bytes, copied: the memory they come from is soon used again (raft pitfall 15). */
export function readBlob(reader: WireReader): Uint8Array {
  return reader.raw(reader.u32());
}

/** The numbers of a const object, for `isOneOf`. */
export function numbersOf<Value extends number>(
  values: Readonly<Record<string, Value>>,
): ReadonlySet<Value> {
  return new Set(Object.values(values));
}

export function isOneOf<Value extends number>(
  numbers: ReadonlySet<Value>,
  value: number,
): value is Value {
  return numbers.has(value as Value);
}
