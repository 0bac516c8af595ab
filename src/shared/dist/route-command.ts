/**
 * Route changes on their way from the worker that owns a route to every worker's match index.
 *
 * One record carries many changes, then the sequence number of the last one; the receiver answers
 * with that number once all are applied, and only then does the owner's client get its SUBACK.
 *
 *     record   sequence u64 | change… to the end                            (little endian, unaligned)
 *     change   op u8 | qos u8 | flags u8
 *              subscriptionIdentifier u32 | slot u32 | generation u32 | incarnation u64
 *              tenant text | filter text | group text | client text         text = length u32, UTF-8
 *     answer   sequence u64
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";

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
  /** Shared members: false for a stored session without a connection. */
  readonly isOnline: boolean;
  /** "" for ADD_WORKER and REMOVE_WORKER. */
  readonly clientId: string;
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly subscriptionIdentifier: number;
  /** Shared members: position and generation in the source's member table. */
  readonly slot: number;
  readonly generation: number;
  /** Persistent sessions: which life of the name the route belongs to; else 0. */
  readonly incarnation: number;
}

const FLAG_NO_LOCAL = 1;
const FLAG_RETAIN_AS_PUBLISHED = 2;
const FLAG_ORDERED = 4;
const FLAG_ONLINE = 8;

export interface RouteRecord {
  readonly sequence: number;
  readonly changes: readonly RouteChange[];
}

/**
 * Writes a record of `changes`, of which the last one has number `sequence` (0 = more records
 * follow).
 */
export function writeRouteRecord(
  writer: RecordWriter,
  changes: readonly RouteChange[],
  sequence: number,
): void {
  writer.u64(sequence);
  for (const change of changes) writeChange(writer, change);
}

function writeChange(writer: RecordWriter, change: RouteChange): void {
  writer.u8(change.op);
  writer.u8(change.qos);
  writer.u8(
    (change.noLocal ? FLAG_NO_LOCAL : 0) |
      (change.retainAsPublished ? FLAG_RETAIN_AS_PUBLISHED : 0) |
      (change.isOrdered ? FLAG_ORDERED : 0) |
      (change.isOnline ? FLAG_ONLINE : 0),
  );
  writer.u32(change.subscriptionIdentifier);
  writer.u32(change.slot);
  writer.u32(change.generation);
  writer.u64(change.incarnation);
  writer.text(change.tenantId);
  writer.text(change.filter);
  writer.text(change.group);
  writer.text(change.clientId);
}

/**
 * Reads to the end of the record. Everything in the result is owned. Asserts that the record is
 * whole.
 */
export function readRouteRecord(reader: RecordReader): RouteRecord {
  const sequence = reader.u64();
  const changes: RouteChange[] = [];
  while (!reader.isAtEnd) changes.push(readChange(reader));
  return { sequence, changes };
}

function readChange(reader: RecordReader): RouteChange {
  const op = reader.u8() as RouteOp;
  const qos = reader.u8();
  const flags = reader.u8();
  return {
    op,
    qos,
    noLocal: (flags & FLAG_NO_LOCAL) !== 0,
    retainAsPublished: (flags & FLAG_RETAIN_AS_PUBLISHED) !== 0,
    isOrdered: (flags & FLAG_ORDERED) !== 0,
    isOnline: (flags & FLAG_ONLINE) !== 0,
    subscriptionIdentifier: reader.u32(),
    slot: reader.u32(),
    generation: reader.u32(),
    incarnation: reader.u64(),
    tenantId: reader.text(),
    filter: reader.text(),
    group: reader.text(),
    clientId: reader.text(),
  };
}
