/**
 * After a reload of users or rules: live subscriptions that are no longer allowed are removed, and
 * wills that are no longer allowed are forgotten. Publishes are checked anyway, each session's
 * remembered verdicts being void. Subscriptions of stored sessions are looked at when their client
 * is back, their wills when they are due. Thread: worker.
 */

import { decodeUtf8 } from "../../shared/bytes/utf8.ts";
import type { OwedWill } from "../../shared/inbox/range/outbox.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import { AuthAction } from "../auth/auth-provider.ts";
import type { Subscription } from "../dist/subscription.ts";
import { InboxOp } from "../inbox/inbox-api.ts";
import { unsubscribe } from "./handle-unsubscribe.ts";
import type { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";
import { Phase } from "./session-state.ts";

export function recheckPermissions(context: SessionContext): void {
  context.wake();
  for (const session of context.registry.all()) {
    if (session.phase !== Phase.ACTIVE) continue;
    recheckSubscriptions(session);
    void recheckWill(session);
  }
}

/** Also for a session that was stored while the rules changed. */
export function recheckSubscriptions(session: Session): void {
  if (session.context.auth.allowsEverything) return;
  for (const subscription of session.subscriptions?.values() ?? []) {
    void recheckSubscription(session, subscription);
  }
}

async function recheckSubscription(session: Session, subscription: Subscription): Promise<void> {
  const { filter, options } = subscription;
  const check = session.authorizations?.check(AuthAction.SUBSCRIBE, filter, options.qos, false);
  if ((await check) === true) return;
  session.context.wake();
  const isLive = session.subscriptions?.get(subscription.requestedFilter) === subscription;
  if (session.phase !== Phase.ACTIVE || !isLive) return;
  session.context.counters[Counter.AUTHORIZATION_DENIED]! += 1;
  session.context.log.info("subscription_revoked", {
    tenant: session.tenantId,
    client_id: session.clientId,
    filter: subscription.requestedFilter,
  });
  unsubscribe(session, subscription, () => {});
}

async function recheckWill(session: Session): Promise<void> {
  const { will } = session;
  if (will === null) return;
  const check = session.authorizations?.check(AuthAction.WILL, will.topic, will.qos, will.retain);
  if ((await check) === true || session.will !== will) return;
  session.will = null;
  // Also the stored copy, which outlives this process.
  if (session.isPersistent) session.context.inbox.commit(session, InboxOp.FORGET_WILL, 0, null);
  logRevoked(session.context, session.tenantId, session.clientId);
}

/**
 * Is a stored session's will still allowed, as far as its user is known? Asked when it is due: its
 * client is away, or the process has ended since.
 */
export function mayPublishWill(
  context: SessionContext,
  { userId, message }: OwedWill,
): boolean | Promise<boolean> {
  const { auth } = context;
  if (auth.allowsEverything || userId === null) return true;
  const { tenantId, publisherId: clientId, qos, retain } = message;
  const username = userId === "" ? null : userId;
  const identity = { tenantId, userId, username, clientId, remoteAddress: "", attributes: {} };
  const topic = decodeUtf8(message.topic, 0, message.topic.length);
  const verdict = auth.authorize(identity, AuthAction.WILL, topic, qos, retain);
  const conclude = (isAllowed: boolean) => {
    if (!isAllowed) logRevoked(context, tenantId, clientId);
    return isAllowed;
  };
  if (typeof verdict === "boolean") return conclude(verdict);
  return verdict.then((isAllowed) => {
    context.wake();
    return conclude(isAllowed);
  });
}

function logRevoked({ log }: SessionContext, tenantId: string, clientId: string): void {
  log.info("will_revoked", { tenant: tenantId, client_id: clientId });
}
