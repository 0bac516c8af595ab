/**
 * The bytes of anti-entropy messages, drawn once. Integers are little-endian, text is UTF-8.
 *
 * ```
 *  message    'R' 'c'  version u8  kind u8, then
 *    1 PROBE    live count u32  sum A u32  sum B u32
 *    2 SAME
 *    3 SUMMARY  reply wanted u8 (0, 1)  replicas  context (seen)  context (live)
 *    4 DELTA    index u32  replicas  context  entries u32  entry ...
 *    5 ACK      index u32
 *
 *  replicas   count u16  id(u8 size) ...           each once; the rest names them by their place
 *  context    runs u32   replica u16  from u48  to u48 ...
 *             ascending by replica and number, neither overlapping nor touching
 *  entry      replica u16  sequence u48  stamp: ms u48  counter u16  key(u16 size)  value(u32 size)
 * ```
 *
 * Strict: what breaks a rule, or leaves a byte over, is refused as a whole. Nothing throws, and
 * counts are checked against the bytes that are there before anything is allocated.
 */

import { assert, unreachable } from "../base/assert.ts";
import { RecordWriter } from "../bytes/record-writer.ts";
import { WireReader } from "../bytes/wire-reader.ts";
import { CausalContext, type ReplicaId } from "./causal-context.ts";
import { type CrdtMessage, CrdtMessageKind } from "./crdt-message.ts";
import type { Delta, OrMapEntry } from "./delta.ts";
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./or-map.ts";

const MAGIC_FIRST = 0x52;
const MAGIC_SECOND = 0x63;
const VERSION = 1;
const TWO_POW_32 = 0x1_0000_0000;
const REPLICA_ID_BYTES_MAX = 255;
const RUN_BYTES = 2 + 6 + 6;
const ENTRY_BYTES_MIN = 2 + 6 + 6 + 2 + 2 + 4;

const encoder = new TextEncoder();

/** Module-level scratch; `encodeCrdt` runs to its end before anybody else writes. */
const writer = new RecordWriter(4_096);

export function encodeCrdt(message: CrdtMessage): Uint8Array {
  writer.clear();
  writer.u8(MAGIC_FIRST);
  writer.u8(MAGIC_SECOND);
  writer.u8(VERSION);
  writer.u8(message.kind);
  writeBody(message);
  return writer.bytes.slice(0, writer.size);
}

/** Null: no message of this format and version. What is returned owns its memory. */
export function decodeCrdt(bytes: Uint8Array): CrdtMessage | null {
  const reader = new WireReader(bytes);
  const first = reader.u8();
  const second = reader.u8();
  const version = reader.u8();
  if (first !== MAGIC_FIRST || second !== MAGIC_SECOND || version !== VERSION) return null;
  const message = readBody(reader, reader.u8());
  if (reader.isMalformed || !reader.isAtEnd) return null;
  return message;
}

function writeBody(message: CrdtMessage): void {
  switch (message.kind) {
    case CrdtMessageKind.PROBE:
      writer.u32(message.digest.liveCount);
      writer.u32(message.digest.sumA);
      writer.u32(message.digest.sumB);
      return;
    case CrdtMessageKind.SAME:
      return;
    case CrdtMessageKind.SUMMARY: {
      writer.u8(message.isReplyWanted ? 1 : 0);
      const places = writeReplicas(message.seen, message.live);
      writeContext(message.seen, places);
      writeContext(message.live, places);
      return;
    }
    case CrdtMessageKind.DELTA:
      writer.u32(message.index);
      writeDelta(message.delta);
      return;
    case CrdtMessageKind.ACK:
      writer.u32(message.index);
      return;
    default:
      unreachable(message);
  }
}

function readBody(reader: WireReader, kind: number): CrdtMessage | null {
  switch (kind) {
    case CrdtMessageKind.PROBE: {
      const liveCount = reader.u32();
      const sumA = reader.u32();
      return { kind, digest: { liveCount, sumA, sumB: reader.u32() } };
    }
    case CrdtMessageKind.SAME:
      return { kind };
    case CrdtMessageKind.SUMMARY: {
      const flag = reader.u8();
      if (flag > 1) reader.refuse();
      const replicas = readReplicas(reader);
      const seen = readContext(reader, replicas);
      return { kind, isReplyWanted: flag === 1, seen, live: readContext(reader, replicas) };
    }
    case CrdtMessageKind.DELTA: {
      const index = reader.u32();
      return { kind, index, delta: readDelta(reader) };
    }
    case CrdtMessageKind.ACK:
      return { kind, index: reader.u32() };
    default:
      return null;
  }
}

/** Writes the names of all replicas in the contexts; answers with their places. */
function writeReplicas(...contexts: readonly CausalContext[]): Map<ReplicaId, number> {
  const places = new Map<ReplicaId, number>();
  for (const context of contexts) {
    for (const replica of context.replicas()) {
      if (!places.has(replica)) places.set(replica, places.size);
    }
  }
  assert(places.size <= 0xffff, "the replica count has 16 bits");
  writer.u16(places.size);
  for (const replica of places.keys()) {
    const id = encoder.encode(replica);
    assert(id.length > 0 && id.length <= REPLICA_ID_BYTES_MAX, "a replica has a short name");
    writer.u8(id.length);
    writer.raw(id);
  }
  return places;
}

function readReplicas(reader: WireReader): ReplicaId[] {
  const count = reader.u16();
  const replicas = new Set<ReplicaId>();
  for (let i = 0; i < count && !reader.isMalformed; i++) {
    const size = reader.u8();
    if (size === 0) reader.refuse();
    replicas.add(reader.text(size));
  }
  if (replicas.size !== count) reader.refuse();
  return [...replicas];
}

function writeContext(context: CausalContext, places: ReadonlyMap<ReplicaId, number>): void {
  writer.u32(context.runCount);
  // In the order of the places, which the reader checks.
  for (const [replica, place] of places) {
    for (const { from, to } of context.runsOf(replica)) {
      writer.u16(place);
      writeU48(from);
      writeU48(to);
    }
  }
}

function readContext(reader: WireReader, replicas: readonly ReplicaId[]): CausalContext {
  const context = new CausalContext();
  const count = reader.u32();
  if (count * RUN_BYTES > reader.remaining) reader.refuse();
  let lastPlace = 0;
  let freeFrom = 1;
  for (let i = 0; i < count && !reader.isMalformed; i++) {
    const place = reader.u16();
    const from = readU48(reader);
    const to = readU48(reader);
    if (place > lastPlace) freeFrom = 1;
    const replica = replicas[place];
    if (replica === undefined || place < lastPlace || from < freeFrom || to < from) {
      reader.refuse();
      break;
    }
    lastPlace = place;
    freeFrom = to + 2;
    context.addRun(replica, from, to);
  }
  return context;
}

function writeDelta(delta: Delta): void {
  const places = writeReplicas(delta.context);
  writeContext(delta.context, places);
  writer.u32(delta.entries.length);
  for (const { replica, sequence, key, stamp, value } of delta.entries) {
    const place = places.get(replica);
    assert(place !== undefined, "a delta is about the dots of its entries");
    const keyBytes = encoder.encode(key);
    assert(keyBytes.length <= KEY_BYTES_MAX, "the key has its limit");
    writer.u16(place);
    writeU48(sequence);
    writeU48(stamp.physicalMs);
    writer.u16(stamp.counter);
    writer.u16(keyBytes.length);
    writer.raw(keyBytes);
    writer.u32(value.length);
    writer.raw(value);
  }
}

function readDelta(reader: WireReader): Delta {
  const replicas = readReplicas(reader);
  const context = readContext(reader, replicas);
  const count = reader.u32();
  if (count * ENTRY_BYTES_MIN > reader.remaining) reader.refuse();
  const entries: OrMapEntry[] = [];
  const named = new CausalContext();
  for (let i = 0; i < count && !reader.isMalformed; i++) {
    const entry = readEntry(reader, replicas);
    const { replica, sequence } = entry;
    // A dot is one write: it stands in the context, and for one value.
    if (!context.has(replica, sequence) || named.has(replica, sequence)) {
      reader.refuse();
      break;
    }
    named.add(replica, sequence);
    entries.push(entry);
  }
  return { entries, context };
}

function readEntry(reader: WireReader, replicas: readonly ReplicaId[]): OrMapEntry {
  const replica = replicas[reader.u16()] ?? "";
  const sequence = readU48(reader);
  const physicalMs = readU48(reader);
  const stamp = { physicalMs, counter: reader.u16() };
  const keySize = reader.u16();
  if (keySize > KEY_BYTES_MAX) reader.refuse();
  const key = reader.text(keySize);
  const valueSize = reader.u32();
  if (valueSize > VALUE_BYTES_MAX) reader.refuse();
  return { replica, sequence, key, stamp, value: reader.raw(valueSize) };
}

function writeU48(value: number): void {
  writer.u32(value % TWO_POW_32);
  writer.u16(Math.floor(value / TWO_POW_32));
}

function readU48(reader: WireReader): number {
  const low = reader.u32();
  return reader.u16() * TWO_POW_32 + low;
}
