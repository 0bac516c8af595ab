/**
 * An inbox range cut in two, and two neighbours made one.
 *
 * Sessions, their queues and the outbox stay under their keys: a cut moves bounds, not data. Only
 * shared messages need work, because deliveries on both sides may refer to one of them
 * (shared-cut.ts). Both must be collected in one transaction with the change of bounds.
 */

import type { Steps } from "../../range/steps.ts";
import type { Inbox } from "./inbox.ts";
import {
  bucketOfId,
  bucketOfKey,
  countersKey,
  cutBefore,
  takenKey,
  tenantKey,
} from "./inbox-key.ts";
import { addSums } from "./range-loader.ts";
import type { RangeState } from "./range-state.ts";
import { SessionTables } from "./session-tables.ts";
import { mergeShared, reuniteCopies, shareDeliveries, splitShared } from "./shared-cut.ts";

const BUCKET_COUNT = 0x1000;
/**
 * A cut reads the queues that refer to shared messages, on one side, and the range applies nothing
 * meanwhile: so many references take some hundred milliseconds.
 */
const CUT_REFERENCES_MAX = 250_000;
/** Sessions that one step moves, at about a microsecond each. */
const STEP_INBOXES = 256;

/** `right` is empty and begins where the cut is; it takes over what lies there. */
export function* splitRange(left: RangeState, right: RangeState): Steps<void> {
  const cut = right.buckets.first;
  const isRight = (id: number) => bucketOfId(id) >= cut;
  right.setBuckets({ first: cut, end: left.buckets.end });
  right.isLive = left.isLive;
  right.lastNumber = left.lastNumber;
  right.isCounterChanged = true;
  yield* left.taken.copyTo(right.taken);
  yield* splitShared(left, right, isRight);
  const staying = new SessionTables();
  const moving = new SessionTables();
  const awake = new Set<Inbox>();
  for (const inbox of inSteps(left.inboxes.values())) {
    if (inbox === null) {
      yield;
    } else if (isRight(inbox.id)) {
      moveSums(left, right, inbox);
      moving.add(inbox);
      if (inbox.isAwake || inbox.queue !== null) awake.add(inbox);
    } else {
      staying.add(inbox);
    }
  }
  // All at once from here on.
  right.listed = left.listed.filter(({ id }) => isRight(id));
  left.listed = left.listed.filter(({ id }) => !isRight(id));
  // Who has been woken by a question meanwhile is listed.
  shareDeliveries(left, right, new Set([...awake, ...right.listed]));
  left.setBuckets({ first: left.buckets.first, end: cut });
  staying.install(left);
  moving.install(right);
  // At most once: what waits there is not worth a move.
  eachAttached(right, (inbox) => {
    inbox.qosZero?.clear();
    inbox.qosZero = null;
  });
  left.erased.moveTo(right.erased, (key) => bucketOfKey(key) >= cut);
  left.outbox.moveTo(right.outbox, isRight);
}

/** `right` is not used any more. */
export function* absorbRange(left: RangeState, right: RangeState): Steps<void> {
  const leftBuckets = left.buckets;
  const rightBuckets = right.buckets;
  const merged = { first: leftBuckets.first, end: Math.max(leftBuckets.end, rightBuckets.end) };
  const copies = yield* reuniteCopies(left, right, merged);
  const tables = new SessionTables();
  const awake = new Set<Inbox>();
  for (const inbox of inSteps(left.inboxes.values())) {
    if (inbox === null) yield;
    else tables.add(inbox);
  }
  for (const inbox of inSteps(right.inboxes.values())) {
    if (inbox === null) {
      yield;
      continue;
    }
    moveSums(right, left, inbox);
    tables.add(inbox);
    if (inbox.isAwake || inbox.queue !== null) awake.add(inbox);
  }
  // All at once from here on.
  forgetRecords(left, right, left.taken.absorb(right.taken));
  left.lastNumber = Math.max(left.lastNumber, right.lastNumber);
  left.isCounterChanged = true;
  mergeShared(left, right, copies, new Set([...awake, ...right.listed]));
  left.setBuckets(merged);
  eachAttached(right, (inbox) => {
    inbox.qosZero = null;
  });
  tables.install(left);
  left.listed.push(...right.listed);
  right.erased.moveTo(left.erased, () => true);
  right.outbox.moveTo(left.outbox, () => true);
}

/**
 * Where to cut so that either side has about half of what is stored; null: nowhere. Where a half
 * refers to more shared messages than a cut may read, as near to the middle as it gets: then more
 * cuts follow, each with as much as one takes.
 */
export function* middleCut(
  state: RangeState,
  referencesMax: number = CUT_REFERENCES_MAX,
): Steps<Uint8Array | null> {
  const weights = new Float64Array(BUCKET_COUNT);
  const references = new Float64Array(BUCKET_COUNT);
  let total = 0;
  for (const inbox of inSteps(state.inboxes.values())) {
    if (inbox === null) {
      yield;
      continue;
    }
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

/** Every inbox, and null where a step ends. */
function* inSteps(inboxes: Iterable<Inbox>): Generator<Inbox | null> {
  let left = STEP_INBOXES;
  for (const inbox of inboxes) {
    yield inbox;
    left -= 1;
    if (left > 0) continue;
    left = STEP_INBOXES;
    yield null;
  }
}

/** The tables of either state stay as they are. */
function moveSums(from: RangeState, to: RangeState, inbox: Inbox): void {
  addSums(from, inbox, -1);
  from.deadlines.cancel(inbox);
  inbox.tenant = to.tenant(inbox.tenant.tenantId);
  addSums(to, inbox, 1);
  to.schedule(inbox);
}

function eachAttached(state: RangeState, visit: (inbox: Inbox) => void): void {
  for (const attachments of state.attachments.values()) {
    for (const inbox of attachments.values()) visit(inbox);
  }
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
