/**
 * Commands of the retain service that go through a range's log, one after the other in a batch.
 *
 * ```
 *  STORE    u8 1 · u32 request (0 = nobody waits) · u64 topics · u64 bytes · message
 *  EXPIRE   u8 2 · u64 expires at, ms · text tenant · blob topic
 *  ONCE     u8 3 · origin (repeats/origin-codec.ts) · as STORE from request on
 * ```
 *
 * `topics` and `bytes` are what the message may add to what its tenant has: what the proposer found
 * left of the caps (quota/quota-ledger.ts). It travels so that every replica decides alike.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { copyMessageRecord, writeMessage } from "../mqtt/message-codec.ts";
import type { PublishOrigin } from "../mqtt/publish-origin.ts";
import { readOrigin, writeOrigin } from "../repeats/origin-codec.ts";

const STORE = 1;
const EXPIRE = 2;
/** Of a stored session that publishes at QoS 2: a repeat of it is not stored again. */
const ONCE = 3;

/** What a message may add to what its tenant has. */
export interface RetainAllowance {
  readonly topics: number;
  readonly bytes: number;
}

/** Travels as this number, which no store reaches. */
export const NO_CAP = Number.MAX_SAFE_INTEGER;

export const UNCAPPED: RetainAllowance = Object.freeze({ topics: NO_CAP, bytes: NO_CAP });

/** Of what is to be removed. */
export const NOTHING_MORE: RetainAllowance = Object.freeze({ topics: 0, bytes: 0 });

/** False when `more` oversteps the allowance; taking away is always allowed. */
export function allows(allowance: RetainAllowance, more: RetainAllowance): boolean {
  return more.topics <= allowance.topics && more.bytes <= allowance.bytes;
}

export function writeRetainStore(
  writer: RecordWriter,
  request: number,
  allowance: RetainAllowance,
  message: Message,
): void {
  const { origin } = message;
  writer.u8(origin === null ? STORE : ONCE);
  if (origin !== null) writeOrigin(writer, origin);
  writer.u32(request);
  writer.u64(allowance.topics);
  writer.u64(allowance.bytes);
  writeMessage(writer, message);
}

/** Removes the topic's message if it still is the one that expires then. */
export function writeRetainExpire(
  writer: RecordWriter,
  tenantId: string,
  topic: Uint8Array,
  expiresAtMs: number,
): void {
  writer.u8(EXPIRE);
  writer.u64(expiresAtMs);
  writer.text(tenantId);
  writer.blob(topic);
}

export interface RetainLogHandler {
  /** `record` is owned: the message as message-codec.ts writes it. */
  storeMessage(
    request: number,
    allowance: RetainAllowance,
    record: Uint8Array,
    origin: PublishOrigin | null,
  ): void;
  expire(tenantId: string, topic: Uint8Array, expiresAtMs: number): void;
}

/** Reads all commands of a batch. */
export function readRetainLog(reader: RecordReader, handler: RetainLogHandler): void {
  while (!reader.isAtEnd) {
    const kind = reader.u8();
    assert(kind >= STORE && kind <= ONCE, "known retain command");
    if (kind !== EXPIRE) {
      const origin = kind === ONCE ? readOrigin(reader) : null;
      const request = reader.u32();
      const topics = reader.u64();
      const bytes = reader.u64();
      handler.storeMessage(request, { topics, bytes }, copyMessageRecord(reader), origin);
    } else {
      const expiresAtMs = reader.u64();
      const tenantId = reader.text();
      handler.expire(tenantId, reader.blob(), expiresAtMs);
    }
  }
}
