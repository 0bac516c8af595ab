/**
 * Route changes on their way from the worker that owns a route to every worker's match index.
 *
 * One record carries many changes, then the sequence number of the last one; the receiver answers with that number
 * once all are applied, and only then does the owner's client get its SUBACK.
 *
 *     record   count u16 | reserved u16 | sequence f64 | change…            (little endian, unaligned)
 *     change   op u8 | qos u8 | flags u8 | reserved u8
 *              subscriptionIdentifier u32 | slot u32 | generation u32
 *              tenant str | filter str | group str | client str              str = length u16, UTF-8
 */

import { ByteReader } from "../bytes/byte-reader.ts";
import type { ByteWriter } from "../bytes/byte-writer.ts";

export const RouteOp = {
  /** Transient subscribers of `filter` exist on the source worker. */
  ADD_WORKER: 0,
  REMOVE_WORKER: 1,
  /** A persistent session's inbox, owned by the source worker. */
  ADD_INBOX: 2,
  REMOVE_INBOX: 3,
  /** A transient member of a shared group; `slot` finds it on the source worker. */
  ADD_MEMBER: 4,
  REMOVE_MEMBER: 5,
  /** A persistent member of a shared group: an inbox of the source worker. */
  ADD_INBOX_MEMBER: 6,
  REMOVE_INBOX_MEMBER: 7,
  /** The source has just started: send it all your routes, then SYNC_END. */
  SYNC_REQUEST: 8,
  SYNC_END: 9,
} as const;
export type RouteOp = (typeof RouteOp)[keyof typeof RouteOp];

export interface RouteChange {
  readonly op: RouteOp;
  readonly tenantId: string;
  /** Without `$share/group/`. */
  readonly filter: string;
  /** "" when not shared. */
  readonly group: string;
  readonly isOrdered: boolean;
  /** "" for ADD_WORKER and REMOVE_WORKER. */
  readonly clientId: string;
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly subscriptionIdentifier: number;
  /** Shared members: position and generation in the source's member table. */
  readonly slot: number;
  readonly generation: number;
}

const FLAG_NO_LOCAL = 1;
const FLAG_RETAIN_AS_PUBLISHED = 2;
const FLAG_ORDERED = 4;

export interface RouteRecord {
  readonly sequence: number;
  readonly changes: readonly RouteChange[];
}

/** Encodes up to 65535 changes. The result is borrowed: valid until the writer's next use. */
export function encodeRouteRecord(
  writer: ByteWriter,
  changes: readonly RouteChange[],
  sequence: number,
): Uint8Array {
  writer.reset();
  writer.writeUint16(changes.length);
  writer.writeUint16(0);
  writer.writeFloat64(sequence);
  for (const change of changes) writeChange(writer, change);
  return writer.written();
}

function writeChange(writer: ByteWriter, change: RouteChange): void {
  writer.writeUint8(change.op);
  writer.writeUint8(change.qos);
  writer.writeUint8(
    (change.noLocal ? FLAG_NO_LOCAL : 0) |
      (change.retainAsPublished ? FLAG_RETAIN_AS_PUBLISHED : 0) |
      (change.isOrdered ? FLAG_ORDERED : 0),
  );
  writer.writeUint8(0);
  writer.writeUint32(change.subscriptionIdentifier);
  writer.writeUint32(change.slot);
  writer.writeUint32(change.generation);
  writer.writeString(change.tenantId);
  writer.writeString(change.filter);
  writer.writeString(change.group);
  writer.writeString(change.clientId);
}

/** Everything in the result is owned. Asserts that the record is whole. */
export function decodeRouteRecord(bytes: Uint8Array, offset: number, length: number): RouteRecord {
  const reader = new ByteReader(bytes, offset, length);
  const count = reader.readUint16();
  reader.readUint16();
  const sequence = reader.readFloat64();
  const changes: RouteChange[] = [];
  for (let index = 0; index < count; index += 1) changes.push(readChange(reader));
  return { sequence, changes };
}

function readChange(reader: ByteReader): RouteChange {
  const op = reader.readUint8() as RouteOp;
  const qos = reader.readUint8();
  const flags = reader.readUint8();
  reader.readUint8();
  return {
    op,
    qos,
    noLocal: (flags & FLAG_NO_LOCAL) !== 0,
    retainAsPublished: (flags & FLAG_RETAIN_AS_PUBLISHED) !== 0,
    isOrdered: (flags & FLAG_ORDERED) !== 0,
    subscriptionIdentifier: reader.readUint32(),
    slot: reader.readUint32(),
    generation: reader.readUint32(),
    tenantId: reader.readString(),
    filter: reader.readString(),
    group: reader.readString(),
    clientId: reader.readString(),
  };
}
