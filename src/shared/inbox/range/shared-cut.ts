/**
 * Shared messages when a range is cut or merged: whoever refers to a message has a record of it in
 * its own range, with a count of its own references.
 *
 * ```
 *            home on the left                        home on the right
 *   left     keeps the record, counts less           needs a copy, if it refers to it
 *   right    needs a copy, if it refers to it        has the record, counts less
 * ```
 *
 * Copies stand in a range's first bucket under the message's old identifier, so no queue has to be
 * rewritten; a merge brings them home.
 */

import { type Delivery, StoredMessage } from "./delivery.ts";
import { Changed, type Inbox } from "./inbox.ts";
import { bucketOfId, copyKeys, idOfCopyKey, idOfKey, messageKeys } from "./inbox-key.ts";
import { sleep, wake } from "./inbox-parts.ts";
import { exchangesOf } from "./outbound.ts";
import { eachPair } from "./range-loader.ts";
import type { RangeState } from "./range-state.ts";
import type { Buckets } from "./shared-messages.ts";
import { WaitingQueue } from "./waiting-queue.ts";

/** `moving`: the inboxes that go to `right`, still in the tables of `left`. */
export function splitShared(left: RangeState, right: RangeState, moving: readonly Inbox[]): void {
  const references = countReferences(left, moving);
  const ids = new Set(references.keys());
  for (const id of homedFrom(left, right.buckets.first)) ids.add(id);
  for (const id of ids) divide(left, right, id, references.get(id) ?? 0);
  eachDelivery(moving, (delivery) => {
    const { stored } = delivery;
    if (stored?.isShared !== true) return;
    left.letGo(delivery);
    delivery.stored = right.hold(stored.id, stored.footprint, stored.expiresAtMs);
  });
}

/** Brings everything of `right` to `left`, which is to hold the buckets `merged`. */
export function mergeShared(left: RangeState, right: RangeState, merged: Buckets): void {
  for (const { tenantId, shared } of right.tenants.values()) {
    const tenant = left.tenant(tenantId);
    tenant.shared.bytes += shared.bytes;
    tenant.shared.count += shared.count;
    left.heldBytes += shared.bytes;
    left.gauges.bytes(shared.bytes, shared.count);
    left.changeTenant(tenant);
  }
  const copies = new Set([...copiesOf(left), ...copiesOf(right)]);
  for (const id of copies) reunite(left, right, id, merged);
  for (const stored of right.shared.inMemory()) {
    if (!copies.has(stored.id)) left.shared.move(stored);
  }
  eachDelivery(right.inboxes.values(), (delivery) => {
    const { stored } = delivery;
    if (stored?.isShared !== true || !copies.has(stored.id)) return;
    delivery.stored = left.hold(stored.id, stored.footprint, stored.expiresAtMs);
  });
}

/** `count` of the references to a message go to the right. */
function divide(left: RangeState, right: RangeState, id: number, count: number): void {
  const stored = left.shared.find(id)!;
  const home = bucketOfId(id);
  const isHomeRight = home >= right.buckets.first && home < right.buckets.end;
  const isReferred = stored.references > 0;
  const { message, footprint, expiresAtMs } = stored;
  const { tenantId } = message!;
  if (count > 0 || (isHomeRight && stored.isStored)) {
    const other = new StoredMessage(message, footprint, expiresAtMs, true);
    other.id = id;
    other.references = count;
    other.isStored = isHomeRight && stored.isStored;
    other.isCountStored = isHomeRight && stored.isCountStored;
    right.shared.adopt(other);
  }
  if (count > 0) right.countShared(right.tenant(tenantId), footprint, 1);
  stored.references -= count;
  if (isReferred && stored.references === 0) left.countShared(left.tenant(tenantId), footprint, -1);
  if (!isHomeRight) {
    left.shared.touch(stored);
  } else if (stored.references === 0) {
    left.shared.forget(stored);
  } else {
    stored.isStored = false;
    stored.isCountStored = false;
    left.shared.touch(stored);
  }
}

/** One record, at home if that is in the merged range, in place of one or two. */
function reunite(left: RangeState, right: RangeState, id: number, merged: Buckets): void {
  const ours = left.shared.find(id);
  const theirs = right.shared.find(id);
  const survivor = ours ?? theirs;
  if (survivor === null) return;
  const home = bucketOfId(id);
  const isHome = home >= merged.first && home < merged.end;
  // A copy that stays one.
  if (theirs === null && !isHome) return;
  if (ours !== null) left.erased.add(left.shared.recordsOf(ours));
  if (theirs !== null) left.erased.add(right.shared.recordsOf(theirs));
  if (ours !== null && theirs !== null) {
    // Both have counted it; one that nobody refers to any more, neither.
    const isTwice = ours.references > 0 && theirs.references > 0;
    if (isTwice) left.countShared(left.tenant(ours.message!.tenantId), ours.footprint, -1);
    ours.references += theirs.references;
  }
  survivor.isStored = false;
  survivor.isCountStored = false;
  if (ours === null) survivor.holders = 0;
  left.shared.adopt(survivor);
}

/** References of these inboxes, by message. */
function countReferences(state: RangeState, inboxes: readonly Inbox[]): Map<number, number> {
  const references = new Map<number, number>();
  const count = (id: number) => references.set(id, (references.get(id) ?? 0) + 1);
  const counted = new StoredMessage(null, 0, 0, true);
  const source = {
    hold: (id: number) => {
      count(id);
      return counted;
    },
  };
  for (const inbox of inboxes) {
    if (inbox.sharedCount === 0) continue;
    const wasAsleep = !inbox.isAwake;
    wake(state, inbox);
    const queue = inbox.queue ?? new WaitingQueue(inbox);
    queue.countUnread(inbox, state, source);
    eachDelivery([inbox], ({ stored }) => {
      if (stored?.isShared === true) count(stored.id);
    });
    // Nothing would put it to sleep again before it changes.
    if (wasAsleep && (inbox.changed & ~Changed.HEAD) === 0) sleep(state, inbox);
  }
  return references;
}

/** Messages of a range whose home is in its bucket `first` or behind. */
function homedFrom(state: RangeState, first: number): Set<number> {
  const ids = new Set<number>();
  for (const { id, references } of state.shared.inMemory()) {
    const home = bucketOfId(id);
    if (home >= first && home < state.buckets.end && references !== 0) ids.add(id);
  }
  for (let bucket = first; bucket < state.buckets.end; bucket++) {
    eachPair(state.reader, messageKeys(bucket), ({ key }) => {
      const id = idOfKey(key);
      if (id !== 0 && !state.erased.has(key)) ids.add(id);
    });
  }
  return ids;
}

/** Messages that a range has and whose home is not in it. */
function copiesOf(state: RangeState): Set<number> {
  const { first, end } = state.buckets;
  const ids = new Set<number>();
  for (const { id } of state.shared.inMemory()) {
    const home = bucketOfId(id);
    if (home < first || home >= end) ids.add(id);
  }
  eachPair(state.reader, copyKeys(first), ({ key }) => {
    const id = idOfCopyKey(key);
    if (id !== 0 && !state.erased.has(key)) ids.add(id);
  });
  return ids;
}

function eachDelivery(inboxes: Iterable<Inbox>, visit: (delivery: Delivery) => void): void {
  for (const inbox of inboxes) {
    for (const delivery of exchangesOf(inbox)) visit(delivery);
    inbox.queue?.forEach(visit);
  }
}
