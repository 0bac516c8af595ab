/**
 * SUBSCRIBE: each filter is checked, authorized, made a route on every worker, and only then comes
 * the one SUBACK with a code per filter in their order [MQTT-3.8.4-5] [MQTT-3.8.4-6]
 * [MQTT-3.9.3-1]; so after SUBACK a publish from any connection is delivered. Retained messages
 * follow the SUBACK. Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import type { SubscribePacket, SubscriptionRequest } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import { type ShareFilter, splitShareFilter } from "../../shared/topic/share-filter.ts";
import { AuthAction } from "../auth/auth-provider.ts";
import { areSameOptions } from "../dist/dist-api.ts";
import { Subscription } from "../dist/subscription.ts";
import { InboxSubscribeStatus } from "../inbox/inbox-api.ts";
import { countSubscriptions } from "./count-subscriptions.ts";
import { unsubscribe } from "./handle-unsubscribe.ts";
import { type RetainedRequest, replayRetained } from "./retained-replay.ts";
import { sendCold } from "./send.ts";
import type { Session } from "./session.ts";
import { logSubscribeDenied } from "./session-events.ts";
import { PauseReason, Phase } from "./session-state.ts";
import { checkSubscription } from "./subscribe-rules.ts";
import { SubscriptionMap } from "./subscription-map.ts";
import type { Tenant } from "./tenant.ts";

/** What the inbox has already fits. */
const NO_LIMIT = 0;

/** One SUBSCRIBE while its routes are being made. */
interface Subscribing {
  readonly packet: SubscribePacket;
  readonly reasonCodes: number[];
  readonly retained: RetainedRequest[];
  /** Routes still being made, plus one until all have been started. */
  outstanding: number;
}

export function handleSubscribe(session: Session, packet: SubscribePacket): void {
  const { tenant } = session;
  if (tenant === null) return;
  const { settings } = tenant;
  if (packet.subscriptions.length > settings.MaxTopicFiltersPerSub) {
    session.close(ReasonCode.QUOTA_EXCEEDED, "too many filters in one SUBSCRIBE");
    return;
  }
  if (packet.subscriptionIdentifier !== 0 && !settings.SubscriptionIdentifierEnabled) {
    session.close(
      ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
      "subscription identifiers are switched off",
    );
    return;
  }
  // Later packets wait for the SUBACK: what the client publishes next finds its own subscription on
  // every worker.
  session.pause(PauseReason.ANSWER);
  const verdicts = packet.subscriptions.map((request) => authorize(session, request));
  if (verdicts.every((verdict) => typeof verdict === "boolean")) {
    subscribeAll(session, tenant, packet, verdicts);
    return;
  }
  void Promise.all(verdicts).then((settled) => {
    session.context.wake();
    if (session.phase === Phase.ACTIVE) subscribeAll(session, tenant, packet, settled);
  });
}

function authorize(session: Session, request: SubscriptionRequest): boolean | Promise<boolean> {
  const share = splitShareFilter(request.filter);
  const filter = share?.filter ?? request.filter;
  return session.authorizations?.check(AuthAction.SUBSCRIBE, filter, request.qos, false) ?? false;
}

function subscribeAll(
  session: Session,
  tenant: Tenant,
  packet: SubscribePacket,
  verdicts: readonly boolean[],
): void {
  const subscribing: Subscribing = {
    packet,
    reasonCodes: new Array<number>(packet.subscriptions.length).fill(0),
    retained: [],
    outstanding: 1,
  };
  packet.subscriptions.forEach((request, index) => {
    subscribeOne(session, tenant, subscribing, request, index, verdicts[index] === true);
  });
  finishOne(session, subscribing);
}

// biome-ignore lint/complexity/useMaxParams: one filter of one SUBSCRIBE; the parts have different owners.
function subscribeOne(
  session: Session,
  tenant: Tenant,
  subscribing: Subscribing,
  request: SubscriptionRequest,
  index: number,
  isAllowed: boolean,
): void {
  const share = splitShareFilter(request.filter);
  const filter = share?.filter ?? request.filter;
  const fault = isAllowed
    ? checkSubscription(filter, share, tenant.settings)
    : ReasonCode.NOT_AUTHORIZED;
  if (!isAllowed) {
    session.context.counters[Counter.AUTHORIZATION_DENIED]! += 1;
    logSubscribeDenied(session, request.filter);
  }
  const isFull = fault === 0 && exceedsQuota(session, tenant, request.filter, share);
  if (fault !== 0 || isFull) {
    subscribing.reasonCodes[index] = failureCode(
      session,
      isFull ? ReasonCode.QUOTA_EXCEEDED : fault,
    );
    return;
  }
  subscribing.reasonCodes[index] = request.qos; // [MQTT-3.8.4-7] [MQTT-3.2.2-10]
  const options: SubscriptionOptions = {
    qos: request.qos,
    noLocal: request.noLocal,
    retainAsPublished: request.retainAsPublished,
    subscriptionIdentifier: subscribing.packet.subscriptionIdentifier,
  };
  const isNew = session.subscriptions?.has(request.filter) !== true;
  if (share === null && wantsRetained(request, isNew)) {
    subscribing.retained.push({ index, filter, options, handed: null });
  }
  subscribing.outstanding += 1;
  if (session.isPersistent) {
    subscribeInbox(session, subscribing, request.filter, share, options, index);
  } else {
    subscribeTransient(session, request.filter, filter, share, options, () =>
      finishOne(session, subscribing),
    );
  }
}

/** Retain Handling [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] */
function wantsRetained(request: SubscriptionRequest, isNew: boolean): boolean {
  return request.retainHandling === 0 || (request.retainHandling === 1 && isNew);
}

// biome-ignore lint/complexity/useMaxParams: see subscribeOne.
function subscribeTransient(
  session: Session,
  requestedFilter: string,
  filter: string,
  share: ShareFilter | null,
  options: SubscriptionOptions,
  done: () => void,
): void {
  session.subscriptions ??= new SubscriptionMap();
  const known = session.subscriptions.get(requestedFilter);
  if (known !== undefined) {
    // [MQTT-3.8.4-3] [MQTT-3.8.4-4] The route stays, so nothing is lost meanwhile.
    known.replaceOptions(options);
    if (share === null) done();
    else session.context.dist.resubscribe(session.tenantId, known, done);
    return;
  }
  const subscription = new Subscription(session, requestedFilter, filter, share, options);
  session.subscriptions.add(subscription);
  countSubscriptions(session, 1, share === null ? 0 : 1);
  session.context.dist.subscribe(session.tenantId, subscription, done);
}

// biome-ignore lint/complexity/useMaxParams: see subscribeOne.
function subscribeInbox(
  session: Session,
  subscribing: Subscribing,
  requestedFilter: string,
  share: ShareFilter | null,
  options: SubscriptionOptions,
  index: number,
): void {
  session.subscriptions ??= new SubscriptionMap();
  const known = session.subscriptions.get(requestedFilter);
  const former = known?.options ?? null;
  if (known === undefined) {
    const filter = share?.filter ?? requestedFilter;
    const subscription = new Subscription(session, requestedFilter, filter, share, options);
    session.subscriptions.add(subscription);
    countSubscriptions(session, 1, share === null ? 0 : 1);
  } else {
    known.replaceOptions(options);
  }
  const limit = session.tenant?.settings.MaxTopicFiltersPerInbox ?? 0;
  // What is QoS 0 may get lost.
  const isReplayOwed = options.qos > 0 && subscribing.retained.at(-1)?.index === index;
  const isStored = former !== null && areSameOptions(former, options);
  const wanted = { filter: requestedFilter, options, isReplayOwed, isStored };
  session.context.inbox.subscribe(session, wanted, limit, (status) => {
    const isQuota = status === InboxSubscribeStatus.QUOTA;
    if (isQuota || status === InboxSubscribeStatus.UNAVAILABLE) {
      const code = isQuota ? ReasonCode.QUOTA_EXCEEDED : ReasonCode.UNSPECIFIED_ERROR;
      subscribing.reasonCodes[index] = failureCode(session, code);
      takeBack(session, requestedFilter, former);
    }
    finishOne(session, subscribing);
  });
}

/**
 * The client is told that it has not got this subscription, or what it had goes on as it was
 * (`former`). Unavailable says only that nobody knows: the inbox may have it, and would bring it
 * back with the next connection. It does, should the process end before this is durable: the client
 * then gets what it had asked for and is allowed to have, until it unsubscribes or starts clean. To
 * leave that open is better than to close the connection over every such failure.
 */
function takeBack(session: Session, filter: string, former: SubscriptionOptions | null): void {
  const subscription = session.subscriptions?.get(filter);
  if (subscription === undefined || session.phase !== Phase.ACTIVE) return;
  if (former === null) {
    unsubscribe(session, subscription, () => {});
    return;
  }
  subscription.replaceOptions(former);
  session.context.inbox.subscribe(session, { filter, options: former }, NO_LIMIT, () => {});
}

/** With the last route made comes the SUBACK [MQTT-3.8.4-1] [MQTT-3.8.4-2]. */
function finishOne(session: Session, subscribing: Subscribing): void {
  subscribing.outstanding -= 1;
  if (subscribing.outstanding > 0 || session.phase !== Phase.ACTIVE) return;
  sendCold(session, {
    type: "suback",
    packetId: subscribing.packet.packetId, // [MQTT-2.2.1-6]
    reasonCodes: subscribing.reasonCodes,
  });
  const granted = subscribing.retained.filter(({ index }) => isGranted(subscribing, index));
  if (granted.length > 0) replayRetained(session, granted);
  session.resume(PauseReason.ANSWER);
}

/** The inbox may have refused what looked fine here. */
function isGranted(subscribing: Subscribing, index: number): boolean {
  return (subscribing.reasonCodes[index] ?? 0) < ReasonCode.UNSPECIFIED_ERROR;
}

/** MQTT 3.x knows one failure code. All codes used here are SUBACK's [MQTT-3.9.3-2]. */
function failureCode(session: Session, reasonCode: number): number {
  return session.isV5 ? reasonCode : ReasonCode.UNSPECIFIED_ERROR;
}

/** What the session has may always be replaced. */
function exceedsQuota(
  session: Session,
  tenant: Tenant,
  requestedFilter: string,
  share: ShareFilter | null,
): boolean {
  const { subscriptions, context } = session;
  if (subscriptions?.has(requestedFilter) === true) return false;
  const { MaxTopicFiltersPerInbox: filterLimit, MaxSharedGroupMembers } = tenant.settings;
  if (filterLimit > 0 && (subscriptions?.size ?? 0) >= filterLimit) return true;
  if (share === null) return false;
  return context.dist.groupSize(tenant.id, share.filter, share) >= MaxSharedGroupMembers;
}
