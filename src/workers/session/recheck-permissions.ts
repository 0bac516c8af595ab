/**
 * After a reload of users or rules: live subscriptions that are no longer allowed are removed, and
 * wills that are no longer allowed are forgotten. Publishes are checked anyway, each session's
 * remembered verdicts being void. Stored sessions are looked at when their client is back. Thread:
 * worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { AuthAction } from "../auth/auth-provider.ts";
import type { Subscription } from "../dist/subscription.ts";
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
  session.context.log.info("will_revoked", {
    tenant: session.tenantId,
    client_id: session.clientId,
  });
}
