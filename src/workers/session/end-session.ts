/**
 * Until here a session keeps its state, and a stored one beyond [MQTT-4.1.0-1].
 *
 * What is left to do when a connection ends: the will, the routes of a transient session or the
 * detachment of a stored one, messages of shared groups that this member did not finish, and the
 * claim on the client identifier, last of all. Thread: worker. Called once per session, by
 * Session.end.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { Awaiting } from "../../shared/mqtt/outbound-window.ts";
import { clampSessionExpiry } from "./connect-rules.ts";
import { countSubscriptions } from "./count-subscriptions.ts";
import type { Delivery } from "./deliver.ts";

import type { Session } from "./session.ts";
import { logGone } from "./session-events.ts";
import { EndReason } from "./session-state.ts";
import { shiftWaiting } from "./waiting-queue.ts";
import { willMessage } from "./will.ts";

export function endSession(session: Session, wasActive: boolean): void {
  const { context, tenant } = session;
  if (wasActive) {
    context.counters[Counter.DISCONNECTS]! += 1;
    context.counters[Counter.SESSIONS_CONNECTED]! -= 1;
    if (tenant !== null) {
      tenant.counters.clientsConnected -= 1;
      if (session.isPersistent) tenant.counters.storedConnected -= 1;
    }
    if (session.endReason !== EndReason.SERVER_CLOSED) logGone(session);
  }
  if (wasActive && !session.isPersistent) endTransient(session);
  // Retained messages on their way to this client: told now, they give up.
  const { onRoom } = session;
  session.onRoom = null;
  onRoom?.();
  const release = () => {
    if (session.epoch === 0) return;
    context.dict.release(session.tenantId, session.clientId, session.epoch);
  };
  if (session.epoch !== 0) context.registry.released(session);
  // The claim goes when the inbox has everything of this connection, so that no successor misses
  // any of it.
  if (session.isPersistent) detach(session, release);
  // An attach may be under way; no CONNACK, so no will.
  else context.inbox.detach(session, -1, true, release);
}

function detach(session: Session, done: () => void): void {
  const wanted = session.disconnectExpirySeconds;
  const settings = session.tenant?.settings;
  const expirySeconds =
    wanted < 0 || settings === undefined ? -1 : clampSessionExpiry(wanted, settings);
  const count = session.subscriptions?.size ?? 0;
  const shared = countShared(session);
  countSubscriptions(session, -count, -shared);
  const discardWill = session.will === null || keepsWill(session);
  session.context.inbox.detach(session, expirySeconds, discardWill, done);
}

function endTransient(session: Session): void {
  const { context } = session;
  for (const subscription of session.subscriptions?.values() ?? []) {
    context.dist.unsubscribe(session.tenantId, subscription);
  }
  countSubscriptions(session, -(session.subscriptions?.size ?? 0), -countShared(session));
  session.subscriptions = null;
  handOver(session);
  // A transient session ends with its connection, and so does any will delay [MQTT-3.1.2-8].
  if (session.will !== null && !keepsWill(session)) {
    context.counters[Counter.WILLS_PUBLISHED]! += 1;
    context.publisher.publish(willMessage(session, session.will), null);
  }
}

/** Wills are not published for a broker that shuts down, if the tenant says so. */
function keepsWill(session: Session): boolean {
  return (
    session.context.isDraining && session.tenant?.settings.NoLWTWhenServerShuttingDown === true
  );
}

/**
 * Unfinished messages of shared groups go to other members, but never a QoS 2 message begun
 * [MQTT-4.8.2-5].
 */
function handOver(session: Session): void {
  for (const { awaiting, value } of session.window?.entries() ?? []) {
    if (value !== null && awaiting === Awaiting.PUBACK) redispatch(session, value);
  }
  for (;;) {
    const waiting = shiftWaiting(session);
    if (waiting === undefined) break;
    redispatch(session, waiting);
  }
  session.window = null;
  session.queue = null;
}

function redispatch(session: Session, delivery: Delivery): void {
  const { share, message } = delivery;
  if (share?.share == null) return;
  const { group, ordered } = share.share;
  const route = { tenantId: session.tenantId, filter: share.filter, group, ordered };
  session.context.publisher.redispatch(message, route, null);
}

function countShared(session: Session): number {
  let count = 0;
  for (const subscription of session.subscriptions?.values() ?? []) {
    if (subscription.share !== null) count += 1;
  }
  return count;
}
