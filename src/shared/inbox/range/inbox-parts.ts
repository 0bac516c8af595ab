/**
 * The parts of a session that are in memory only while somebody needs them: will, drops, received
 * identifiers, subscriptions, exchanges. An inbox that is awake has all of them.
 */

import { assert } from "../../base/assert.ts";
import { RecordReader } from "../../bytes/record-reader.ts";
import { RingQueue } from "../../collections/ring-queue.ts";
import { OutboundWindow } from "../../mqtt/outbound-window.ts";
import { behind } from "../../range/key-bytes.ts";
import type { KeyValue, KeyValueReader } from "../../range/key-value.ts";
import type { InboxWill } from "../inbox-types.ts";
import type { Delivery } from "./delivery.ts";
import { readExchange, type SharedSource } from "./delivery-codec.ts";
import { DropList } from "./drops.ts";
import { type Inbox, NO_WILL } from "./inbox.ts";
import { packetIdOf, partKey, partOf, replayKeys, SessionPart, slotOf } from "./inbox-key.ts";
import {
  readDrops,
  readInbound,
  readReplayTopics,
  readSubscribed,
  readWill,
} from "./part-codec.ts";
import { ReplayProgress } from "./replay-progress.ts";
import type { QueueStore } from "./waiting-queue.ts";

const PACKET_ID_MAX = 65_535;
/** A window of small messages, or a few hundred subscriptions. */
const PAGE_ENTRIES = 512;
const PAGE_BYTES = 256 * 1024;

const byOrder = (left: Delivery, right: Delivery) => left.order - right.order;

// One thread, never re-entrant: each use runs to its end before anybody else's.
const reader = new RecordReader();

/** Reads what the store has of the inbox, all but its queue. */
export function wake(store: QueueStore, inbox: Inbox): void {
  if (inbox.isAwake) return;
  inbox.isAwake = true;
  if (inbox.hasReplay) inbox.replay = readReplay(store, inbox);
  const hasParts = inbox.willDelaySeconds !== NO_WILL || inbox.hasDrops || inbox.inboundCount > 0;
  if (!hasParts && inbox.subscriptionCount === 0 && inbox.exchangeCount === 0) return;
  const exchanges: Delivery[] = [];
  const end = partKey(inbox.id, SessionPart.CHUNK);
  let start = partKey(inbox.id, SessionPart.WILL);
  for (;;) {
    const page = store.reader.scan(start, end, PAGE_ENTRIES, PAGE_BYTES);
    for (const pair of page) readPart(inbox, pair, store, exchanges);
    if (page.length === 0) break;
    start = behind(page.at(-1)!.key);
  }
  findRepeats(inbox, exchanges);
}

/** The will; the rest may stay asleep. Null: none. */
export function willOf(store: { readonly reader: KeyValueReader }, inbox: Inbox): InboxWill | null {
  if (inbox.willDelaySeconds === NO_WILL) return null;
  if (inbox.will !== null) return inbox.will;
  const value = store.reader.get(partKey(inbox.id, SessionPart.WILL));
  assert(value !== null, "a will that the head tells of is stored");
  return decode(value, readWill);
}

/** The drops, with a place for more. */
export function dropsOf(store: { readonly reader: KeyValueReader }, inbox: Inbox): DropList {
  if (inbox.drops !== null) return inbox.drops;
  const isStored = inbox.hasDrops;
  const value = isStored ? store.reader.get(partKey(inbox.id, SessionPart.DROPS)) : null;
  inbox.drops = value === null ? new DropList() : decode(value, readDrops);
  return inbox.drops;
}

/** Lets go of everything; the store has it. */
export function sleep(store: QueueStore, inbox: Inbox): void {
  inbox.isAwake = false;
  for (const { value } of inbox.window?.entries() ?? []) {
    if (value !== null) store.letGo(value);
  }
  inbox.will = null;
  inbox.drops = null;
  inbox.inbound = null;
  inbox.subscriptions = null;
  inbox.window = null;
  inbox.repeats = null;
  inbox.replay = null;
}

/** Lines up, oldest first, what is in flight and not sent on the present attachment. */
export function findRepeats(inbox: Inbox, exchanges: Delivery[]): void {
  inbox.repeats = null;
  if (inbox.repeatsLeft === 0) return;
  inbox.repeats = new RingQueue();
  for (const delivery of exchanges.sort(byOrder)) {
    if (isRepeatDue(inbox, delivery)) inbox.repeats.push(delivery);
  }
}

/** True while the exchange is from an earlier attachment and not sent again yet. */
export function isRepeatDue(inbox: Inbox, delivery: Delivery): boolean {
  if (inbox.repeatsLeft === 0 || delivery.stored === null) return false;
  return delivery.order > inbox.repeatedOrder && delivery.order <= inbox.repeatEndOrder;
}

function readPart(
  inbox: Inbox,
  { key, value }: KeyValue,
  source: SharedSource,
  exchanges: Delivery[],
): void {
  const part = partOf(key);
  if (part === SessionPart.WILL) {
    // Published or forgotten meanwhile: the record is still to be removed.
    if (inbox.willDelaySeconds !== NO_WILL) inbox.will ??= decode(value, readWill);
  } else if (part === SessionPart.DROPS) {
    if (inbox.hasDrops) inbox.drops ??= decode(value, readDrops);
  } else if (part === SessionPart.INBOUND) {
    inbox.inbound = decode(value, readInbound);
  } else if (part === SessionPart.SUBSCRIPTION) {
    const subscribed = decode(value, (bytes) => readSubscribed(bytes, slotOf(key)));
    inbox.subscriptions ??= new Map();
    inbox.subscriptions.set(subscribed.filter, subscribed);
  } else {
    const { awaiting, delivery } = decode(value, (bytes) => readExchange(bytes, source));
    delivery.packetId = packetIdOf(key);
    inbox.window ??= new OutboundWindow(PACKET_ID_MAX);
    inbox.window.put(delivery.packetId, delivery, awaiting);
    exchanges.push(delivery);
  }
}

function readReplay(store: QueueStore, inbox: Inbox): ReplayProgress {
  const [start, end] = replayKeys(inbox.id);
  let replay: ReplayProgress | null = null;
  let from = start;
  for (;;) {
    const page = store.reader.scan(from, end, PAGE_ENTRIES, PAGE_BYTES);
    for (const { value } of page) {
      if (replay === null) replay = new ReplayProgress(decode(value, (bytes) => bytes.text()));
      else replay.load(decode(value, readReplayTopics));
      replay.rowCount += 1;
    }
    if (page.length === 0) break;
    from = behind(page.at(-1)!.key);
  }
  assert(replay !== null, "a replay that the head tells of is stored");
  return replay;
}

function decode<T>(value: Uint8Array, read: (reader: RecordReader) => T): T {
  reader.reset(value, 0, value.length);
  const result = read(reader);
  reader.release();
  return result;
}
