/**
 * What an inbox range owes to others and must not forget when the process dies: wills to publish,
 * routes to remove, shared groups' messages for other members, word of messages that a session has
 * missed. A record stays until a command says
 * that it is done; after a restart all that are left are done once more, so each is done at least
 * once.
 *
 * ```
 *  record  u8 kind · WILL        message                  of earlier versions
 *                    ROUTES      text tenant · text client · u64 incarnation · u32 n · n × text filter
 *                    REDISPATCH  u64 incarnation · text share filter · message
 *                    MISSED      text tenant · text client · u8 (1: the session is over)
 *                                u8 n · n × drop (part-codec.ts)
 *                    WILL_OF     text user · message
 * ```
 *
 * A stored format.
 */

import { assert } from "../../base/assert.ts";
import type { RecordReader } from "../../bytes/record-reader.ts";
import type { RecordWriter } from "../../bytes/record-writer.ts";
import type { Message } from "../../mqtt/message.ts";
import { messageFootprint, readMessage, writeMessage } from "../../mqtt/message-codec.ts";
import type { KeyValueWriter } from "../../range/key-value.ts";
import { readDrop, writeDrop } from "../inbox-fields.ts";
import type { DropReport } from "../inbox-types.ts";
import { outboxKey } from "./inbox-key.ts";
import type { Requester } from "./inbox-output.ts";

const WILL = 1;
const ROUTES = 2;
const REDISPATCH = 3;
const MISSED = 4;
const WILL_OF = 5;

/** Publish it, if its user still may. */
export interface OwedWill {
  readonly kind: "will";
  /** Null: not known, an earlier version wrote it. */
  readonly userId: string | null;
  readonly message: Message;
}

/** Remove the routes of these filters, as the client sent them, from every worker. */
export interface OwedRoutes {
  readonly kind: "routes";
  readonly tenantId: string;
  readonly clientId: string;
  readonly incarnation: number;
  readonly filters: readonly string[];
}

/** Give it to another member, when all routes of this incarnation are gone. */
export interface OwedRedispatch {
  readonly kind: "redispatch";
  readonly incarnation: number;
  readonly shareFilter: string;
  readonly message: Message;
}

/** Tell the operator what a session did not get, as it is resumed or ends. */
export interface OwedMissed {
  readonly kind: "missed";
  readonly tenantId: string;
  readonly clientId: string;
  readonly isOver: boolean;
  readonly drops: readonly DropReport[];
}

export type Owed = OwedWill | OwedRoutes | OwedRedispatch | OwedMissed;

export interface OutboxRecord {
  readonly id: number;
  readonly owed: Owed;
  /** Who waits for it, in this life of the process; null when nobody does. */
  readonly requester: Requester | null;
}

/**
 * Records are in memory until they are done, so messages are handed to other members so many bytes
 * at a time: some thousands of usual size, which take a moment each.
 */
const HAND_OVER_BYTES = 4 * 1024 * 1024;

export class Outbox {
  readonly #records = new Map<number, OutboxRecord>();
  /** Of messages for other members. */
  #handedOverBytes = 0;
  /** By identifier: null = to be removed. */
  #changed = new Map<number, OutboxRecord | null>();

  get size(): number {
    return this.#records.size;
  }

  get isDirty(): boolean {
    return this.#changed.size > 0;
  }

  /** Further messages for other members shall wait where they are. */
  get isFull(): boolean {
    return this.#handedOverBytes >= HAND_OVER_BYTES;
  }

  records(): IterableIterator<OutboxRecord> {
    return this.#records.values();
  }

  add(record: OutboxRecord): void {
    this.#put(record);
    this.#changed.set(record.id, record);
  }

  /** False: it is done already. */
  finish(id: number): boolean {
    if (!this.#take(id)) return false;
    this.#changed.set(id, null);
    return true;
  }

  /** As found in the store. */
  loaded(id: number, owed: Owed): void {
    this.#put({ id, owed, requester: null });
  }

  collect(writer: KeyValueWriter, scratch: RecordWriter): void {
    for (const [id, record] of this.#changed) {
      if (record === null) {
        writer.delete(outboxKey(id));
        continue;
      }
      scratch.clear();
      writeOwed(scratch, record.owed);
      writer.put(outboxKey(id), scratch.bytes.subarray(0, scratch.size));
    }
    this.#changed = new Map();
  }

  /** Moves the records for which `moves` says so; with what the store does not have of them. */
  moveTo(target: Outbox, moves: (id: number) => boolean): void {
    for (const [id, record] of this.#records) {
      if (!moves(id)) continue;
      this.#take(id);
      target.#put(record);
    }
    for (const [id, record] of this.#changed) {
      if (!moves(id)) continue;
      this.#changed.delete(id);
      target.#changed.set(id, record);
    }
  }

  #put(record: OutboxRecord): void {
    this.#records.set(record.id, record);
    this.#handedOverBytes += handedOverBytes(record);
  }

  #take(id: number): boolean {
    const record = this.#records.get(id);
    if (record === undefined) return false;
    this.#records.delete(id);
    this.#handedOverBytes -= handedOverBytes(record);
    return true;
  }
}

function handedOverBytes({ owed }: OutboxRecord): number {
  return owed.kind === "redispatch" ? messageFootprint(owed.message) : 0;
}

export function writeOwed(writer: RecordWriter, owed: Owed): void {
  if (owed.kind === "will") {
    writer.u8(owed.userId === null ? WILL : WILL_OF);
    if (owed.userId !== null) writer.text(owed.userId);
    writeMessage(writer, owed.message);
  } else if (owed.kind === "routes") {
    writer.u8(ROUTES);
    writer.text(owed.tenantId);
    writer.text(owed.clientId);
    writer.u64(owed.incarnation);
    writer.u32(owed.filters.length);
    for (const filter of owed.filters) writer.text(filter);
  } else if (owed.kind === "missed") {
    writer.u8(MISSED);
    writer.text(owed.tenantId);
    writer.text(owed.clientId);
    writer.u8(owed.isOver ? 1 : 0);
    writer.u8(owed.drops.length);
    for (const drop of owed.drops) writeDrop(writer, drop);
  } else {
    writer.u8(REDISPATCH);
    writer.u64(owed.incarnation);
    writer.text(owed.shareFilter);
    writeMessage(writer, owed.message);
  }
}

export function readOwed(reader: RecordReader): Owed {
  const kind = reader.u8();
  assert(kind >= WILL && kind <= WILL_OF, "an outbox record of a known kind");
  if (kind === WILL || kind === WILL_OF) {
    const userId = kind === WILL ? null : reader.text();
    return { kind: "will", userId, message: readMessage(reader) };
  }
  if (kind === REDISPATCH) {
    const incarnation = reader.u64();
    const shareFilter = reader.text();
    return { kind: "redispatch", incarnation, shareFilter, message: readMessage(reader) };
  }
  const tenantId = reader.text();
  const clientId = reader.text();
  if (kind === MISSED) {
    const isOver = reader.u8() === 1;
    const drops: DropReport[] = [];
    for (let left = reader.u8(); left > 0; left--) drops.push(readDrop(reader));
    return { kind: "missed", tenantId, clientId, isOver, drops };
  }
  const incarnation = reader.u64();
  const filters: string[] = [];
  for (let left = reader.u32(); left > 0; left--) filters.push(reader.text());
  return { kind: "routes", tenantId, clientId, incarnation, filters };
}
