/**
 * One message on its way to one inbox, and the message itself.
 *
 * A message for one inbox alone is stored within its delivery. One for many inboxes of a range is
 * stored once, under an identifier, and counts the deliveries that refer to it
 * (shared-messages.ts). In memory the inboxes of one command share one StoredMessage either way.
 */

import type { Message } from "../../mqtt/message.ts";
import { messageContentBytes, messageFootprint } from "../../mqtt/message-codec.ts";

/**
 * A message is stored once for all inboxes of a command when that saves more bytes than this: the
 * key, count and reference of a message of its own, and the reads that they cost later.
 */
const SHARING_SAVES_BYTES = 512;
/** Stored with a message beside its content, about. */
const MESSAGE_FRAME_BYTES = 40;

/** `references` while only the store knows. */
export const UNKNOWN_REFERENCES = -1;

export class StoredMessage {
  /** Stored once for all inboxes of the range, apart from the deliveries. */
  readonly isShared: boolean;
  /** Of a shared message; 0 until an inbox has taken it. */
  id = 0;
  /** Null while only the store has it. */
  message: Message | null;
  readonly footprint: number;
  /** Wall clock; Infinity when it never expires. */
  readonly expiresAtMs: number;
  // Of a shared message:
  /** Deliveries of the range that refer to it. */
  references = 0;
  /** Those of them that are in memory. */
  holders = 0;
  isStored = false;
  /** Its count of references has been stored apart from it. */
  isCountStored = false;
  isChanged = false;

  constructor(message: Message | null, footprint: number, expiresAtMs: number, isShared: boolean) {
    this.message = message;
    this.footprint = footprint;
    this.expiresAtMs = expiresAtMs;
    this.isShared = isShared;
  }
}

/** Is a message for so many inboxes of one range stored once for all of them? */
export function isSharedBy(message: Message, count: number): boolean {
  const bytes = messageContentBytes(message) + MESSAGE_FRAME_BYTES;
  return bytes * (count - 1) > SHARING_SAVES_BYTES;
}

/** Bytes that it takes of its tenant's quota then, at most. */
export function insertFootprint(message: Message, count: number): number {
  return messageFootprint(message) * (isSharedBy(message, count) ? 1 : count);
}

export function storedMessage(message: Message, isShared: boolean): StoredMessage {
  return new StoredMessage(message, messageFootprint(message), expiresAtMs(message), isShared);
}

function expiresAtMs(message: Message): number {
  if (message.expirySeconds < 0) return Number.POSITIVE_INFINITY;
  return message.receivedAtMs + message.expirySeconds * 1000;
}

/** How the matched subscriptions of one inbox want one message. */
export interface DeliveryForm {
  readonly qos: number;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  readonly shareFilter: string | null;
}

export class Delivery implements DeliveryForm {
  /** Null once the client has it: past PUBREC, or acknowledged. */
  stored: StoredMessage | null;
  readonly qos: number;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  readonly shareFilter: string | null;
  /** 0 until it is sent first, and when its exchange is over. */
  packetId = 0;
  /**
   * Place among the exchanges: set when sent, and again at PUBREC, so that PUBRELs keep the order
   * of the PUBRECs.
   */
  order = 0;
  /** The store has a record of the exchange. */
  isStored = false;
  /** To be sent with DUP. */
  isRepeat = false;

  constructor(stored: StoredMessage | null, form: DeliveryForm) {
    this.stored = stored;
    this.qos = form.qos;
    this.retain = form.retain;
    this.subscriptionIdentifiers = form.subscriptionIdentifiers;
    this.shareFilter = form.shareFilter;
  }
}
