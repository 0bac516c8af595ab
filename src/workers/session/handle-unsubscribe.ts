/**
 * UNSUBSCRIBE: exact comparison of filters [MQTT-3.10.4-1]; new messages stop at once
 * [MQTT-3.10.4-2], those begun are finished [MQTT-3.10.4-3]; one UNSUBACK, also when nothing was
 * subscribed [MQTT-3.10.4-5]. Thread: worker.
 */

import type { UnsubscribePacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { Subscription } from "../dist/subscription.ts";
import { countSubscriptions } from "./count-subscriptions.ts";
import { sendCold } from "./send.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";

export function handleUnsubscribe(session: Session, packet: UnsubscribePacket): void {
  const limit = session.tenant?.settings.MaxTopicFiltersPerSub ?? 0;
  if (packet.filters.length > limit) {
    session.close(ReasonCode.QUOTA_EXCEEDED, "too many filters in one UNSUBSCRIBE");
    return;
  }
  // [MQTT-3.11.3-1] [MQTT-3.11.3-2] Codes stand in the order of the filters.
  const reasonCodes = packet.filters.map(() => ReasonCode.NO_SUBSCRIPTION_EXISTED as number);
  let outstanding = 1;
  const finishOne = () => {
    outstanding -= 1;
    if (outstanding > 0 || session.phase !== Phase.ACTIVE) return;
    // [MQTT-3.10.4-4] [MQTT-3.10.4-6] [MQTT-2.2.1-6]
    sendCold(session, { type: "unsuback", packetId: packet.packetId, reasonCodes });
  };
  packet.filters.forEach((filter, index) => {
    const subscription = session.subscriptions?.get(filter);
    if (subscription === undefined) return;
    reasonCodes[index] = ReasonCode.SUCCESS;
    outstanding += 1;
    unsubscribe(session, subscription, finishOne);
  });
  finishOne();
}

/** Removes one subscription of a session; `done` when a stored session's route is gone too. */
export function unsubscribe(session: Session, subscription: Subscription, done: () => void): void {
  session.subscriptions?.delete(subscription.requestedFilter);
  countSubscriptions(session, -1, subscription.share === null ? 0 : -1);
  if (session.isPersistent) {
    session.context.inbox.unsubscribe(session, subscription.requestedFilter, done);
    return;
  }
  session.context.dist.unsubscribe(session.tenantId, subscription);
  done();
}
