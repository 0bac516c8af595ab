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

import type { Steps } from "../../range/steps.ts";
import { type Delivery, StoredMessage } from "./delivery.ts";
import { Changed, type Inbox } from "./inbox.ts";
import { bucketOfId, copyKeys, idOfCopyKey, idOfKey, messageKeys } from "./inbox-key.ts";
import { sleep, wake } from "./inbox-parts.ts";
import { exchangesOf } from "./outbound.ts";
import { pagesOf } from "./range-loader.ts";
import type { RangeState } from "./range-state.ts";
import type { Buckets } from "./shared-messages.ts";
import { WaitingQueue } from "./waiting-queue.ts";

/** Of one step: each takes up to three reads of the store, some 20 microseconds. */
const STEP_MESSAGES = 16;
/** Sessions without shared messages that one step passes. */
const STEP_INBOXES = 1024;

/**
 * Gives each range the records that it needs, with its own count. Deliveries in memory follow, see
 * `shareDeliveries`. `isRight` says which inboxes, still in the tables of `left`, go to `right`.
 */
export function* splitShared(
  left: RangeState,
  right: RangeState,
  isRight: (id: number) => boolean,
): Steps<void> {
  const references = yield* countReferences(left, isRight);
  const ids = new Set(references.keys());
  yield* addHomed(ids, left, right.buckets.first);
  let steps = 0;
  for (const id of ids) {
    divide(left, right, id, references.get(id) ?? 0);
    steps += 1;
    if (steps % STEP_MESSAGES === 0) yield;
  }
}

/** What deliveries in memory of `inboxes`, which go to `right`, hold in `left` they hold there. */
export function shareDeliveries(
  left: RangeState,
  right: RangeState,
  inboxes: Iterable<Inbox>,
): void {
  eachDelivery(inboxes, (delivery) => {
    const { stored } = delivery;
    if (stored?.isShared !== true) return;
    left.letGo(delivery);
    delivery.stored = right.hold(stored.id, stored.footprint, stored.expiresAtMs);
  });
}

/** Messages of which a range has a record and whose home is elsewhere. */
export interface Copies {
  readonly ids: ReadonlySet<number>;
  /** Those that only the right-hand range had. */
  readonly taken: readonly StoredMessage[];
}

/** Makes one record of two, for `left`, which is to hold the buckets `merged`. */
export function* reuniteCopies(
  left: RangeState,
  right: RangeState,
  merged: Buckets,
): Steps<Copies> {
  const ids = new Set<number>();
  yield* addCopies(ids, left);
  yield* addCopies(ids, right);
  const taken: StoredMessage[] = [];
  let steps = 0;
  for (const id of ids) {
    const survivor = reunite(left, right, id, merged);
    if (survivor !== null) taken.push(survivor);
    steps += 1;
    if (steps % STEP_MESSAGES === 0) yield;
  }
  return { ids, taken };
}

/** Brings everything of `right` to `left`; `inboxes`: those of `right` that are in memory. */
export function mergeShared(
  left: RangeState,
  right: RangeState,
  { ids, taken }: Copies,
  inboxes: Iterable<Inbox>,
): void {
  for (const { tenantId, shared } of right.tenants.values()) {
    const tenant = left.tenant(tenantId);
    tenant.shared.bytes += shared.bytes;
    tenant.shared.count += shared.count;
    left.heldBytes += shared.bytes;
    left.gauges.bytes(shared.bytes, shared.count);
    left.changeTenant(tenant);
  }
  for (const stored of right.shared.inMemory()) {
    if (!ids.has(stored.id)) left.shared.move(stored);
  }
  // Deliveries hold them again, one by one.
  for (const stored of taken) left.shared.free(stored);
  eachDelivery(inboxes, (delivery) => {
    const { stored } = delivery;
    if (stored?.isShared !== true || !ids.has(stored.id)) return;
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

/**
 * One record, at home if that is in the merged range, in place of one or two. Returns it if it was
 * that of `right` alone.
 */
function reunite(
  left: RangeState,
  right: RangeState,
  id: number,
  merged: Buckets,
): StoredMessage | null {
  const ours = left.shared.find(id);
  const theirs = right.shared.find(id);
  const survivor = ours ?? theirs;
  if (survivor === null) return null;
  const home = bucketOfId(id);
  const isHome = home >= merged.first && home < merged.end;
  // A copy that stays one.
  if (theirs === null && !isHome) return null;
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
  left.shared.adopt(survivor);
  return ours === null ? survivor : null;
}

/** References of inboxes that `isCounted`, by message. */
function* countReferences(
  state: RangeState,
  isCounted: (id: number) => boolean,
): Steps<Map<number, number>> {
  const references = new Map<number, number>();
  const count = (id: number) => references.set(id, (references.get(id) ?? 0) + 1);
  const counted = new StoredMessage(null, 0, 0, true);
  const source = {
    hold: (id: number) => {
      count(id);
      return counted;
    },
  };
  let looked = 0;
  for (const inbox of state.inboxes.values()) {
    looked += 1;
    if (looked % STEP_INBOXES === 0) yield;
    if (inbox.sharedCount === 0 || !isCounted(inbox.id)) continue;
    const wasAsleep = !inbox.isAwake;
    wake(state, inbox);
    const queue = inbox.queue ?? new WaitingQueue(inbox);
    yield* queue.countUnread(inbox, state, source);
    eachDelivery([inbox], ({ stored }) => {
      if (stored?.isShared === true) count(stored.id);
    });
    // Nothing would put it to sleep again before it changes.
    if (wasAsleep && (inbox.changed & ~Changed.HEAD) === 0) sleep(state, inbox);
  }
  return references;
}

/** Adds the messages of a range whose home is in its bucket `first` or behind. */
function* addHomed(ids: Set<number>, state: RangeState, first: number): Steps<void> {
  for (const { id, references } of state.shared.inMemory()) {
    const home = bucketOfId(id);
    if (home >= first && home < state.buckets.end && references !== 0) ids.add(id);
  }
  for (let bucket = first; bucket < state.buckets.end; bucket++) {
    for (const page of pagesOf(state.reader, messageKeys(bucket))) {
      for (const { key } of page) {
        const id = idOfKey(key);
        if (id !== 0 && !state.erased.has(key)) ids.add(id);
      }
      yield;
    }
    yield;
  }
}

/** Adds the messages that a range has and whose home is not in it. */
function* addCopies(ids: Set<number>, state: RangeState): Steps<void> {
  const { first, end } = state.buckets;
  for (const { id } of state.shared.inMemory()) {
    const home = bucketOfId(id);
    if (home < first || home >= end) ids.add(id);
  }
  for (const page of pagesOf(state.reader, copyKeys(first))) {
    for (const { key } of page) {
      const id = idOfCopyKey(key);
      if (id !== 0 && !state.erased.has(key)) ids.add(id);
    }
    yield;
  }
}

function eachDelivery(inboxes: Iterable<Inbox>, visit: (delivery: Delivery) => void): void {
  for (const inbox of inboxes) {
    for (const delivery of exchangesOf(inbox)) visit(delivery);
    inbox.queue?.forEach(visit);
  }
}
