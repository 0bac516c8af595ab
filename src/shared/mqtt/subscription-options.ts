/**
 * How one subscription wants its messages: kept with its session, with its route, and with what the
 * route index delivers by.
 *
 *   u8 flags    bits 0..1 maximum QoS, bit 2 No Local, bit 3 Retain As Published (as in SUBSCRIBE)
 *   u32         subscription identifier
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";

const QOS = 0b11;
const NO_LOCAL = 0b100;
const RETAIN_AS_PUBLISHED = 0b1000;

export interface SubscriptionOptions {
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 = none; else 1..268435455. */
  readonly subscriptionIdentifier: number;
}

export function writeSubscriptionOptions(writer: RecordWriter, options: SubscriptionOptions): void {
  const noLocal = options.noLocal ? NO_LOCAL : 0;
  const retainAsPublished = options.retainAsPublished ? RETAIN_AS_PUBLISHED : 0;
  writer.u8(options.qos | noLocal | retainAsPublished);
  writer.u32(options.subscriptionIdentifier);
}

export function readSubscriptionOptions(reader: RecordReader): SubscriptionOptions {
  const flags = reader.u8();
  return {
    qos: flags & QOS,
    noLocal: (flags & NO_LOCAL) !== 0,
    retainAsPublished: (flags & RETAIN_AS_PUBLISHED) !== 0,
    subscriptionIdentifier: reader.u32(),
  };
}
