/**
 * What main asks of a range's worker outside of its log: payloads of RANGE_ADMIN and its reply.
 * Little-endian; threads of one process only, and cold.
 *
 *   RANGE_ADMIN         request u32 | kind u8, then CREATE, RESET, RENEW: descriptor; else: range u32
 *                       DROP_ROUTES: descriptor | below u64
 *                       PLAN_SPLIT: range u32 | isGiven u8 | key: length u16, bytes
 *                       RESET_STORE: store u32 | stores u32
 *   RANGE_ADMIN_REPLY   request u32 | isDone u8 | key: length u16, bytes | text: length u32, UTF-8
 *                       | number u64
 */

import { NO_BYTES } from "../bytes/copy-bytes.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { readDescriptor, readKey, writeDescriptor, writeKey } from "./descriptor-codec.ts";
import type { RangeDescriptor, RangeId } from "./range-descriptor.ts";

export const AdminKind = {
  /** A first range, with an empty log; reported as OPENED once it is durable. */
  CREATE: 1,
  /**
   * The reply's key is where to cut: the one given or, without, one that has about half of the
   * state on either side. What a cut there needs to know is counted when the reply comes.
   */
  PLAN_SPLIT: 2,
  /** Write the state, drop the applied log. Done when the log is short. */
  COMPACT: 3,
  /**
   * A damaged range: what the store has of it goes into a file, the reply's text is its path.
   * Nobody serves it, until RENEW. The reply's number: no identifier below it will be used in the
   * new range.
   */
  RESET: 4,
  /** The range that was renewed is whole. */
  KEEP: 5,
  /**
   * Of all inbox ranges of the worker (`range` is of no account): every route that they want is
   * asked for. Done when all of them are matched.
   */
  TELL_ROUTES: 6,
  /**
   * Of all ranges of routes of the worker: those of sessions of an inbox range whose incarnations
   * are below a number. Done when none of them is matched any more.
   */
  DROP_ROUTES: 7,
  /**
   * After RESET, as CREATE. The range stays noted as damaged, should the process end, until KEEP.
   */
  RENEW: 8,
  /**
   * A store of which nothing is served: its files are kept under another name (the reply's text),
   * and an empty one takes its place, with the ranges that it was born with. One of routes is set
   * aside still, to be made anew as any other. The reply's number is as for RESET.
   */
  RESET_STORE: 9,
} as const;
export type AdminKind = (typeof AdminKind)[keyof typeof AdminKind];

export type AdminRequest =
  | {
      readonly request: number;
      readonly kind: DescriptorKind;
      readonly descriptor: RangeDescriptor;
    }
  | {
      readonly request: number;
      readonly kind: typeof AdminKind.DROP_ROUTES;
      /** The range of the sessions. */
      readonly descriptor: RangeDescriptor;
      readonly below: number;
    }
  | {
      readonly request: number;
      readonly kind: typeof AdminKind.PLAN_SPLIT;
      readonly range: RangeId;
      /** Null: in the middle. */
      readonly key: Uint8Array | null;
    }
  | {
      readonly request: number;
      readonly kind: typeof AdminKind.RESET_STORE;
      readonly store: number;
      /** Of the node. */
      readonly storeCount: number;
    }
  | { readonly request: number; readonly kind: PlainKind; readonly range: RangeId };

type DescriptorKind = typeof AdminKind.CREATE | typeof AdminKind.RESET | typeof AdminKind.RENEW;

/** Kinds that name a range and nothing else. */
type PlainKind = Exclude<
  AdminKind,
  | DescriptorKind
  | typeof AdminKind.DROP_ROUTES
  | typeof AdminKind.PLAN_SPLIT
  | typeof AdminKind.RESET_STORE
>;

export interface AdminReply {
  readonly request: number;
  /** False: there is no such range here, or no such key; or it failed, as the text says. */
  readonly isDone: boolean;
  readonly key: Uint8Array;
  readonly text: string;
  readonly number: number;
}

/** With nothing to say. */
export function plainReply(request: number, isDone: boolean): AdminReply {
  return { request, isDone, key: NO_BYTES, text: "", number: 0 };
}

export function writeAdminRequest(writer: RecordWriter, request: AdminRequest): void {
  writer.u32(request.request);
  writer.u8(request.kind);
  if (request.kind === AdminKind.RESET_STORE) {
    writer.u32(request.store);
    writer.u32(request.storeCount);
    return;
  }
  if ("descriptor" in request) writeDescriptor(writer, request.descriptor);
  else writer.u32(request.range);
  if (request.kind === AdminKind.DROP_ROUTES) writer.u64(request.below);
  if (request.kind !== AdminKind.PLAN_SPLIT) return;
  writer.u8(request.key === null ? 0 : 1);
  writeKey(writer, request.key ?? NO_BYTES);
}

/** Null if these are not the bytes of a request. */
export function readAdminRequest(reader: WireReader): AdminRequest | null {
  const request = reader.u32();
  const kind = reader.u8() as AdminKind;
  if (kind === AdminKind.CREATE || kind === AdminKind.RESET || kind === AdminKind.RENEW) {
    const descriptor = readDescriptor(reader);
    return descriptor === null ? null : { request, kind, descriptor };
  }
  if (kind === AdminKind.DROP_ROUTES) {
    const descriptor = readDescriptor(reader);
    const below = reader.u64();
    return descriptor === null ? null : { request, kind, descriptor, below };
  }
  if (kind === AdminKind.RESET_STORE) {
    const store = reader.u32();
    const storeCount = reader.u32();
    return reader.isMalformed ? null : { request, kind, store, storeCount };
  }
  const range = reader.u32();
  if (kind === AdminKind.PLAN_SPLIT) {
    const isGiven = reader.u8() === 1;
    const key = readKey(reader);
    return reader.isMalformed ? null : { request, kind, range, key: isGiven ? key : null };
  }
  const isKnown = Object.values(AdminKind).includes(kind);
  return isKnown && !reader.isMalformed ? { request, kind, range } : null;
}

export function writeAdminReply(writer: RecordWriter, reply: AdminReply): void {
  writer.u32(reply.request);
  writer.u8(reply.isDone ? 1 : 0);
  writeKey(writer, reply.key);
  writer.text(reply.text);
  writer.u64(reply.number);
}

export function readAdminReply(reader: WireReader): AdminReply {
  const request = reader.u32();
  const isDone = reader.u8() === 1;
  const key = readKey(reader);
  const text = reader.text(reader.u32());
  return { request, isDone, key: isDone ? key : NO_BYTES, text, number: reader.u64() };
}
