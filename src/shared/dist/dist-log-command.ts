/**
 * Commands of the dist service that go through a range's log: routes of stored sessions, also as
 * members of shared groups.
 *
 * ```
 *  ADD      u8 1 · u32 request (0 = nobody waits) · route · u8 options · u32 subscription identifier
 *  REMOVE   u8 2 · u32 request · route
 *
 *  route    text tenant · text filter · text group ("" = not shared) · u8 ordered · text client
 *           u64 incarnation of the session
 *  options  bit 0-1 QoS, bit 2 no local, bit 3 retain as published
 * ```
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import {
  readSubscriptionOptions,
  type SubscriptionOptions,
  writeSubscriptionOptions,
} from "../mqtt/subscription-options.ts";

const ADD = 1;
const REMOVE = 2;

/** A filter that a stored session wants, alone or as a member of a shared group. */
export interface StoredRoute {
  readonly tenantId: string;
  /** Without `$share/group/`. */
  readonly filter: string;
  /** "" when not shared. */
  readonly group: string;
  /** `$oshare`. */
  readonly isOrdered: boolean;
  readonly clientId: string;
  /**
   * Of the session: a name may live several times, and what concerns an earlier life must not touch
   * a later one's route.
   */
  readonly incarnation: number;
}

export function writeRouteAdd(
  writer: RecordWriter,
  request: number,
  route: StoredRoute,
  options: SubscriptionOptions,
): void {
  writer.u8(ADD);
  writer.u32(request);
  writeRoute(writer, route);
  writeSubscriptionOptions(writer, options);
}

export function writeRouteRemove(writer: RecordWriter, request: number, route: StoredRoute): void {
  writer.u8(REMOVE);
  writer.u32(request);
  writeRoute(writer, route);
}

export interface DistLogHandler {
  add(request: number, route: StoredRoute, options: SubscriptionOptions): void;
  remove(request: number, route: StoredRoute): void;
}

/** Reads all commands of a batch. */
export function readDistLog(reader: RecordReader, handler: DistLogHandler): void {
  while (!reader.isAtEnd) {
    const kind = reader.u8();
    assert(kind === ADD || kind === REMOVE, "known dist command");
    const request = reader.u32();
    const route = readRoute(reader);
    if (kind === ADD) handler.add(request, route, readSubscriptionOptions(reader));
    else handler.remove(request, route);
  }
}

export function writeRoute(writer: RecordWriter, route: StoredRoute): void {
  writer.text(route.tenantId);
  writer.text(route.filter);
  writer.text(route.group);
  writer.u8(route.isOrdered ? 1 : 0);
  writer.text(route.clientId);
  writer.u64(route.incarnation);
}

export function readRoute(reader: RecordReader): StoredRoute {
  return {
    tenantId: reader.text(),
    filter: reader.text(),
    group: reader.text(),
    isOrdered: reader.u8() === 1,
    clientId: reader.text(),
    incarnation: reader.u64(),
  };
}
