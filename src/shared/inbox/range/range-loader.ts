/**
 * Reads what a range needs from the start: heads and outbox, one read per bucket. Queues, wills,
 * subscriptions and exchanges stay in the store until somebody needs them, so eight million waiting
 * messages cost a start nothing.
 */

import { RecordReader } from "../../bytes/record-reader.ts";
import { behind } from "../../range/key-bytes.ts";
import type { KeyValue, KeyValueReader } from "../../range/key-value.ts";
import { readHead } from "./head-codec.ts";
import type { Inbox } from "./inbox.ts";
import {
  countersKey,
  eagerKeys,
  idOfKey,
  isHeadKey,
  publisherOfTakenKey,
  slotOfTenantKey,
  takenKeys,
  tenantKeys,
} from "./inbox-key.ts";
import { readOwed } from "./outbox.ts";
import { readTenantShare } from "./part-codec.ts";
import type { RangeState } from "./range-state.ts";

const PAGE_ENTRIES = 1024;
const PAGE_BYTES = 1024 * 1024;

const reader = new RecordReader();

/** Fills an empty state. */
export function loadRange(state: RangeState): void {
  const { first, end } = state.buckets;
  if (first >= end) return;
  const counters = state.reader.get(countersKey(first));
  if (counters !== null) state.lastNumber = decode(counters, (bytes) => bytes.u64());
  eachPair(state.reader, tenantKeys(first), ({ key, value }) => {
    const tenant = decode(value, (bytes) => readTenantShare(bytes, (id) => state.tenant(id)));
    tenant.slot = slotOfTenantKey(key);
    state.lastSlot = Math.max(state.lastSlot, tenant.slot);
    state.heldBytes += tenant.shared.bytes;
    state.gauges.bytes(tenant.shared.bytes, tenant.shared.count);
  });
  eachPair(state.reader, takenKeys(first), ({ key, value }) => {
    decode(value, (bytes) => state.taken.load(publisherOfTakenKey(key), bytes));
  });
  state.taken.sortLoaded();
  for (let bucket = first; bucket < end; bucket++) {
    eachPair(state.reader, eagerKeys(bucket), (pair) => loadEager(state, pair));
  }
}

/** An inbox was found: it gets its places in the tables of an empty state. */
function enlist(state: RangeState, inbox: Inbox): void {
  const { tenant } = inbox;
  state.inboxes.set(inbox.id, inbox);
  if (!inbox.isEnded) tenant.inboxes.set(inbox.clientId, inbox);
  if (inbox.isAttached) {
    let attachments = state.attachments.get(inbox.boot);
    if (attachments === undefined) {
      attachments = new Map();
      state.attachments.set(inbox.boot, attachments);
    }
    attachments.set(inbox.token, inbox);
  }
  addSums(state, inbox, 1);
  state.schedule(inbox);
}

/** Counts an inbox, or with -1 forgets it, with the messages stored within its deliveries. */
export function addSums(state: RangeState, inbox: Inbox, sign: 1 | -1): void {
  const { inline } = inbox.tenant;
  if (!inbox.isEnded) state.gauges.sessions(sign);
  inline.bytes += sign * inbox.inlineBytes;
  inline.count += sign * inbox.inlineCount;
  state.heldBytes += sign * inbox.inlineBytes;
  state.gauges.messages(sign * (inbox.inlineCount + inbox.sharedCount));
  state.gauges.bytes(sign * inbox.inlineBytes, sign * inbox.inlineCount);
}

function eachPair(
  store: KeyValueReader,
  bounds: readonly [Uint8Array, Uint8Array],
  visit: (pair: KeyValue) => void,
): void {
  for (const page of pagesOf(store, bounds)) {
    for (const pair of page) visit(pair);
  }
}

/** Every pair of [start, end), page by page. */
export function* pagesOf(
  store: KeyValueReader,
  [start, end]: readonly [Uint8Array, Uint8Array],
): Generator<readonly KeyValue[]> {
  let from = start;
  for (;;) {
    const page = store.scan(from, end, PAGE_ENTRIES, PAGE_BYTES);
    if (page.length === 0) return;
    yield page;
    // Pages end at about so many bytes: only one that is far from full is the last for certain.
    if (page.length < PAGE_ENTRIES && bytesOf(page) < PAGE_BYTES / 2) return;
    from = behind(page.at(-1)!.key);
  }
}

function bytesOf(page: readonly KeyValue[]): number {
  return page.reduce((sum, { value }) => sum + value.length, 0);
}

function loadEager(state: RangeState, { key, value }: KeyValue): void {
  const id = idOfKey(key);
  if (isHeadKey(key)) {
    const inbox = decode(value, (bytes) => readHead(bytes, id, (tenant) => state.tenant(tenant)));
    enlist(state, inbox);
  } else {
    state.outbox.loaded(id, decode(value, readOwed));
  }
}

function decode<T>(value: Uint8Array, read: (reader: RecordReader) => T): T {
  reader.reset(value, 0, value.length);
  const result = read(reader);
  reader.release();
  return result;
}
