/**
 * Reads log entries back and checks each: an entry comes out whole and as it was written, or not at
 * all.
 */

import { decodeEntryRecord } from "../../shared/raft/disk-codec.ts";
import type { Entry } from "../../shared/raft/entry.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { type StoreEngine, StoreTable } from "./store-engine.ts";
import { indexOfKey, isLogKey, logBounds, logKey, partBounds } from "./store-schema.ts";

/** What is wrong with an entry, in words. */
export type EntryDamage = string;

/**
 * Hands the entries low..high-1 to `visit` in order until it returns false. Returns what is wrong
 * with the first one that cannot be read, else null. Entries that are not there are passed over:
 * the caller compares indexes.
 */
export function visitEntries(
  engine: StoreEngine,
  id: RangeId,
  bounds: { readonly low: number; readonly high: number },
  visit: (entry: Entry) => boolean,
): EntryDamage | null {
  let damage: EntryDamage | null = null;
  engine.scan(StoreTable.LOG, logBounds(id, bounds.low, bounds.high), (key, firstPart) => {
    const index = indexOfKey(key);
    if (!isLogKey(key)) {
      damage = `log entry ${index}: its key has ${key.length} bytes`;
      return false;
    }
    const entry = decodeParts(engine, id, index, firstPart);
    if (entry === null) damage = damageOf(index);
    return entry !== null && visit(entry);
  });
  return damage;
}

/** One entry; null when it is not there or damaged. */
export function readEntry(engine: StoreEngine, id: RangeId, index: number): Entry | null {
  const firstPart = engine.get(StoreTable.LOG, logKey(id, index));
  return firstPart === null ? null : decodeParts(engine, id, index, firstPart);
}

export function damageOf(index: number): EntryDamage {
  return `log entry ${index}: its checksum or its fields are wrong`;
}

function decodeParts(
  engine: StoreEngine,
  id: RangeId,
  index: number,
  firstPart: Uint8Array,
): Entry | null {
  const isWhole = firstPart.length < engine.partBytes;
  const bytes = isWhole ? firstPart : joinParts(engine, id, index, firstPart);
  const entry = decodeEntryRecord(bytes);
  // The index is in the record too: a good record under a wrong key is damage.
  return entry?.index === index ? entry : null;
}

function joinParts(
  engine: StoreEngine,
  id: RangeId,
  index: number,
  firstPart: Uint8Array,
): Uint8Array {
  const parts = [firstPart];
  let size = firstPart.length;
  engine.scan(StoreTable.PARTS, partBounds(id, index, index + 1), (_key, part) => {
    parts.push(part);
    size += part.length;
    return true;
  });
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
