/**
 * An inbox range cut in two, and two neighbours made one.
 *
 * Sessions, their queues and the outbox stay under their keys: a cut moves bounds, not data. Only
 * shared messages need work, because deliveries on both sides may refer to one of them
 * (shared-cut.ts). Both must be collected in one transaction with the change of bounds.
 */

import type { Inbox } from "./inbox.ts";
import {
  bucketOfId,
  bucketOfKey,
  countersKey,
  cutBefore,
  takenKey,
  tenantKey,
} from "./inbox-key.ts";
import { addHeld, enlist } from "./range-loader.ts";
import type { RangeState } from "./range-state.ts";
import { mergeShared, splitShared } from "./shared-cut.ts";

const BUCKET_COUNT = 0x1000;
/**
 * A cut reads the queues that refer to shared messages, on one side: so many references take some
 * hundred milliseconds.
 */
const CUT_REFERENCES_MAX = 250_000;

/** `right` is empty and begins where the cut is; it takes over what lies there. */
export function splitRange(left: RangeState, right: RangeState): void {
  const cut = right.buckets.first;
  right.setBuckets({ first: cut, end: left.buckets.end });
  right.isLive = left.isLive;
  right.lastNumber = left.lastNumber;
  right.isCounterChanged = true;
  const isRight = (id: number) => bucketOfId(id) >= cut;
  const moving = [...left.inboxes.values()].filter(({ id }) => isRight(id));
  splitShared(left, right, moving);
  left.setBuckets({ first: left.buckets.first, end: cut });
  for (const inbox of moving) {
    delist(left, inbox);
    inbox.tenant = right.tenant(inbox.tenant.tenantId);
    enlist(right, inbox);
  }
  right.listed = left.listed.filter(({ id }) => isRight(id));
  left.listed = left.listed.filter(({ id }) => !isRight(id));
  left.erased.moveTo(right.erased, (key) => bucketOfKey(key) >= cut);
  left.outbox.moveTo(right.outbox, isRight);
  left.taken.copyTo(right.taken);
}

/** `right` is not used any more. */
export function absorbRange(left: RangeState, right: RangeState): void {
  const leftBuckets = left.buckets;
  const rightBuckets = right.buckets;
  const merged = { first: leftBuckets.first, end: Math.max(leftBuckets.end, rightBuckets.end) };
  forgetRecords(left, right, left.taken.absorb(right.taken));
  left.lastNumber = Math.max(left.lastNumber, right.lastNumber);
  left.isCounterChanged = true;
  mergeShared(left, right, merged);
  left.setBuckets(merged);
  for (const inbox of right.inboxes.values()) {
    right.deadlines.cancel(inbox);
    inbox.tenant = left.tenant(inbox.tenant.tenantId);
    inbox.qosZero = null;
    enlist(left, inbox);
  }
  left.listed.push(...right.listed);
  right.erased.moveTo(left.erased, () => true);
  right.outbox.moveTo(left.outbox, () => true);
}

/**
 * Where to cut so that either side has about half of what is stored; null: nowhere. Where a half
 * refers to more shared messages than a cut may read, as near to the middle as it gets: then more
 * cuts follow, each with as much as one takes.
 */
export function middleCut(
  state: RangeState,
  referencesMax: number = CUT_REFERENCES_MAX,
): Uint8Array | null {
  const weights = new Float64Array(BUCKET_COUNT);
  const references = new Float64Array(BUCKET_COUNT);
  let total = 0;
  for (const inbox of state.inboxes.values()) {
    const weight = 1 + inbox.subscriptionCount + inbox.load;
    const bucket = bucketOfId(inbox.id);
    weights[bucket]! += weight;
    references[bucket]! += inbox.sharedCount;
    total += weight;
  }
  const { first, end } = state.buckets;
  let before = 0;
  let best = -1;
  let moving = references.reduce((sum, count) => sum + count, 0);
  for (let bucket = first + 1; bucket < end; bucket++) {
    before += weights[bucket - 1]!;
    moving -= references[bucket - 1]!;
    if (before === 0 || before === total || moving > referencesMax) continue;
    best = bucket;
    if (before * 2 >= total) break;
  }
  return best < 0 ? null : cutBefore(best);
}

/** Takes an inbox out of all tables and sums. */
function delist(state: RangeState, inbox: Inbox): void {
  state.inboxes.delete(inbox.id);
  if (!inbox.isEnded) {
    inbox.tenant.inboxes.delete(inbox.clientId);
    state.gauges.sessions(-1);
  }
  addHeld(state, inbox, -1);
  if (inbox.isAttached) {
    const attachments = state.attachments.get(inbox.boot);
    attachments?.delete(inbox.token);
    if (attachments?.size === 0) state.attachments.delete(inbox.boot);
  }
  state.deadlines.cancel(inbox);
  // At most once: what waits there is not worth a move.
  inbox.qosZero?.clear();
  inbox.qosZero = null;
  state.forgetIfEmpty(inbox.tenant);
}

/**
 * The right-hand range's own records go; what they say is in memory. `publishers`: whose publishes
 * it had taken.
 */
function forgetRecords(left: RangeState, right: RangeState, publishers: readonly number[]): void {
  const { first } = right.buckets;
  // A range without a bucket of its own has its records where its neighbour's are.
  if (first === left.buckets.first) return;
  left.erased.add([countersKey(first), ...publishers.map((id) => takenKey(first, id))]);
  for (const tenant of right.tenants.values()) {
    if (tenant.slot >= 0) left.erased.add([tenantKey(first, tenant.slot)]);
  }
}
