/**
 * One publish to the transient sessions of this worker.
 *
 * A session whose subscriptions overlap gets one copy with the highest granted QoS and all
 * identifiers [MQTT-3.3.4-2] [MQTT-3.3.4-4]. That costs a second pass, so it is done only when
 * several filters matched. Flow: publish 6/8. Thread: worker. Not re-entrant per publish; the
 * scratch array is taken by the outermost call.
 */

import type { BorrowedPublish } from "./borrowed-publish.ts";
import type { FilterEntry } from "./match-index.ts";
import type { PublishRun } from "./publish-run.ts";
import type { LocalReceiver, Subscription } from "./subscription.ts";

let nextStamp = 1;
const receivers: (LocalReceiver | null)[] = [];
/** Subscriptions that take the publishes of a run one by one; scratch as well. */
const oneByOne: (Subscription | null)[] = [];

/** `entries[0..count)`: matched filters that have local subscribers. */
export function deliverLocal(
  publish: BorrowedPublish,
  entries: readonly FilterEntry[],
  count: number,
): void {
  const first = entries[0];
  if (count === 1 && first !== undefined) {
    deliverEntry(publish, first);
    return;
  }
  deliverMerged(publish, entries, count);
}

function deliverEntry(publish: BorrowedPublish, entry: FilterEntry): void {
  const local = entry.local;
  if (local === null) return;
  if (!Array.isArray(local)) {
    deliverOne(publish, local);
    return;
  }
  // Backwards: a session that unsubscribes while it is served swaps the last one, already served,
  // into its place.
  for (let index = local.length - 1; index >= 0; index -= 1) {
    const subscription = local[index];
    if (subscription !== undefined) deliverOne(publish, subscription);
  }
}

/** Several publishes that differ in their payloads only, to the local subscribers of `entry`. */
export function deliverRun(publish: BorrowedPublish, run: PublishRun, entry: FilterEntry): void {
  const local = entry.local;
  if (local === null) return;
  let restCount = 0;
  const many = Array.isArray(local) ? local : null;
  for (let index = many === null ? 0 : many.length - 1; index >= 0; index -= 1) {
    const subscription = many === null ? (local as Subscription) : many[index];
    if (subscription === undefined || takesRun(publish, run, subscription)) continue;
    oneByOne[restCount] = subscription;
    restCount += 1;
  }
  if (restCount === 0) return;
  run.forEach(publish, (one) => {
    for (let index = 0; index < restCount; index += 1) deliverOne(one, oneByOne[index]!);
  });
  // Scratch must not keep a session alive.
  oneByOne.fill(null, 0, restCount);
}

/** As `deliverRun`, to a member of a shared group, whose load stays as it is: QoS 0. */
export function deliverRunTo(
  publish: BorrowedPublish,
  run: PublishRun,
  subscription: Subscription,
): void {
  if (subscription.identifiers === null && subscription.receiver.deliverRun(run)) return;
  run.forEach(publish, (one) => {
    subscription.receiver.deliver(one, 0, false, subscription.identifiers, null);
  });
}

/** True when `subscription` has got the whole run, or wants none of it. */
function takesRun(publish: BorrowedPublish, run: PublishRun, subscription: Subscription): boolean {
  if (subscription.identifiers !== null) return false;
  if (subscription.options.noLocal && isOwn(publish, subscription)) return true;
  return subscription.receiver.deliverRun(run);
}

function deliverOne(publish: BorrowedPublish, subscription: Subscription): void {
  const options = subscription.options;
  if (options.noLocal && isOwn(publish, subscription)) return;
  // [MQTT-3.8.4-8]
  const qos = publish.qos < options.qos ? publish.qos : options.qos;
  const retain = options.retainAsPublished && publish.retain; // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
  subscription.receiver.deliver(publish, qos, retain, subscription.identifiers, null);
}

function deliverMerged(
  publish: BorrowedPublish,
  entries: readonly FilterEntry[],
  count: number,
): void {
  const stamp = nextStamp;
  nextStamp += 1;
  let receiverCount = 0;
  for (let at = 0; at < count; at += 1) {
    const local = entries[at]?.local ?? null;
    if (local === null) continue;
    const many = Array.isArray(local) ? local : null;
    const total = many === null ? 1 : many.length;
    for (let index = 0; index < total; index += 1) {
      const subscription = many === null ? (local as Subscription) : many[index];
      if (subscription === undefined) continue;
      if (mergeOne(publish, subscription, stamp)) {
        receivers[receiverCount] = subscription.receiver;
        receiverCount += 1;
      }
    }
  }
  for (let index = 0; index < receiverCount; index += 1) {
    const receiver = receivers[index] ?? null;
    // Scratch must not keep a session alive.
    receivers[index] = null;
    receiver?.deliver(
      publish,
      receiver.matchQos,
      receiver.matchRetain,
      receiver.matchIdentifiers,
      null,
    );
  }
}

/** Notes the subscription at its session; true when the session is new to this publish. */
function mergeOne(publish: BorrowedPublish, subscription: Subscription, stamp: number): boolean {
  const { options, receiver, identifiers } = subscription;
  if (options.noLocal && isOwn(publish, subscription)) return false;
  const qos = publish.qos < options.qos ? publish.qos : options.qos;
  const retain = options.retainAsPublished && publish.retain;
  if (receiver.matchStamp !== stamp) {
    receiver.matchStamp = stamp;
    receiver.matchQos = qos;
    receiver.matchRetain = retain;
    receiver.matchIdentifiers = identifiers;
    receiver.mergedIdentifiers = null;
    return true;
  }
  if (qos > receiver.matchQos) receiver.matchQos = qos;
  receiver.matchRetain ||= retain;
  if (identifiers !== null) addIdentifiers(receiver, identifiers);
  return false;
}

/**
 * [MQTT-3.3.4-3] The list of one subscription is shared, so the merged one is made anew: once,
 * because a client may have thousands of overlapping subscriptions.
 */
function addIdentifiers(receiver: LocalReceiver, identifiers: readonly number[]): void {
  const list = receiver.matchIdentifiers;
  if (list === null) {
    receiver.matchIdentifiers = identifiers;
  } else if (receiver.mergedIdentifiers === list) {
    receiver.mergedIdentifiers.push(...identifiers);
  } else {
    receiver.mergedIdentifiers = [...list, ...identifiers];
    receiver.matchIdentifiers = receiver.mergedIdentifiers;
  }
}

/** [MQTT-3.8.3-3] */
function isOwn(publish: BorrowedPublish, subscription: Subscription): boolean {
  return subscription.receiver.clientId === publish.publisherId;
}
