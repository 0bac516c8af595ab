/**
 * Deliveries as the store has them. A stored format; little-endian.
 *
 * ```
 *  chunk     count u32 · count × delivery         waiting messages in a row; the key has the number
 *                                                 of the first
 *  exchange  u8 Awaiting · u64 order · delivery   key: packet identifier; past PUBREC the delivery
 *                                                 has no message
 *
 *  delivery  u8 flags · u8 QoS and retain · [message | u64 id · u32 footprint · u64 expires at]
 *            [u16 n · n × u32 subscription identifier] · [text share filter]
 *            flags: bit 0-1 message: 0 none, 1 here, 2 shared; bit 2 identifiers; bit 3 share filter
 * ```
 */

import { assert } from "../../base/assert.ts";
import type { RecordReader } from "../../bytes/record-reader.ts";
import type { RecordWriter } from "../../bytes/record-writer.ts";
import { readMessage, writeMessage } from "../../mqtt/message-codec.ts";
import { Awaiting } from "../../mqtt/outbound-window.ts";
import { readIdentifiers, writeIdentifiers } from "../inbox-fields.ts";
import { Delivery, type StoredMessage, storedMessage } from "./delivery.ts";

const MESSAGE_NONE = 0;
const MESSAGE_HERE = 1;
const MESSAGE_SHARED = 2;
const MESSAGE_FORM = 0b11;
const HAS_IDENTIFIERS = 0b100;
const HAS_SHARE_FILTER = 0b1000;

const QOS = 0b11;
const RETAIN = 0b100;

const NO_IDENTIFIERS: readonly number[] = Object.freeze([]);

/** Where the reader finds the shared messages that deliveries refer to. */
export interface SharedSource {
  /** The one of this identifier, held by one more delivery in memory. */
  hold(id: number, footprint: number, expiresAtMs: number): StoredMessage;
}

export function writeDelivery(writer: RecordWriter, delivery: Delivery): void {
  const { stored, subscriptionIdentifiers, shareFilter } = delivery;
  let form = MESSAGE_NONE;
  if (stored !== null) form = stored.isShared ? MESSAGE_SHARED : MESSAGE_HERE;
  const hasIdentifiers = subscriptionIdentifiers.length > 0;
  const share = shareFilter === null ? 0 : HAS_SHARE_FILTER;
  writer.u8(form | (hasIdentifiers ? HAS_IDENTIFIERS : 0) | share);
  writer.u8(delivery.qos | (delivery.retain ? RETAIN : 0));
  if (stored?.isShared === true) {
    const expires = stored.expiresAtMs;
    writer.u64(stored.id);
    writer.u32(stored.footprint);
    writer.u64(expires === Number.POSITIVE_INFINITY ? 0 : Math.max(1, expires));
  } else if (stored !== null) {
    assert(stored.message !== null, "a message that only this delivery has is in memory");
    writeMessage(writer, stored.message);
  }
  if (hasIdentifiers) writeIdentifiers(writer, subscriptionIdentifiers);
  if (shareFilter !== null) writer.text(shareFilter);
}

export function readDelivery(reader: RecordReader, source: SharedSource): Delivery {
  const flags = reader.u8();
  const bits = reader.u8();
  const form = flags & MESSAGE_FORM;
  let stored: StoredMessage | null = null;
  if (form === MESSAGE_SHARED) {
    const id = reader.u64();
    const footprint = reader.u32();
    const expires = reader.u64();
    stored = source.hold(id, footprint, expires === 0 ? Number.POSITIVE_INFINITY : expires);
  } else if (form === MESSAGE_HERE) {
    stored = storedMessage(readMessage(reader), false);
  }
  return new Delivery(stored, {
    qos: bits & QOS,
    retain: (bits & RETAIN) !== 0,
    subscriptionIdentifiers:
      (flags & HAS_IDENTIFIERS) === 0 ? NO_IDENTIFIERS : readIdentifiers(reader),
    shareFilter: (flags & HAS_SHARE_FILTER) === 0 ? null : reader.text(),
  });
}

export function writeExchange(writer: RecordWriter, awaiting: Awaiting, delivery: Delivery): void {
  writer.u8(awaiting);
  writer.u64(delivery.order);
  writeDelivery(writer, delivery);
}

/** Fills in all but the packet identifier, and returns what the exchange waits for. */
export function readExchange(
  reader: RecordReader,
  source: SharedSource,
): { readonly awaiting: Awaiting; readonly delivery: Delivery } {
  const awaiting = reader.u8() as Awaiting;
  assert(awaiting >= Awaiting.PUBACK && awaiting <= Awaiting.PUBCOMP, "an open exchange");
  const order = reader.u64();
  const delivery = readDelivery(reader, source);
  delivery.order = order;
  delivery.isStored = true;
  return { awaiting, delivery };
}
