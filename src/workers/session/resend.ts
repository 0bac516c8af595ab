/**
 * MaxResendTimes and ResendTimeoutSeconds: QoS 1 and 2 exchanges that a client of MQTT 3.x leaves
 * open are sent again while it stays connected, and given up in the end. Off by default, and never
 * done for MQTT 5, which forbids it [MQTT-4.4.0-1]: a transport without loss does not need it. But
 * there are MQTT 3.1 clients that lose messages behind their socket and count on it.
 *
 *     sent ──timeout──► PUBLISH with DUP, or PUBREL, again ──timeout──► … ──MaxResendTimes──► given up
 *
 * Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { drop, writeMessage } from "./deliver.ts";
import { finishExchange } from "./handle-ack.ts";
import { type OpenExchange, ResendQueue } from "./resend-queue.ts";
import { sendAck } from "./send.ts";
import type { Session } from "./session.ts";

/** From now on the session re-sends, or no longer does, as its tenant's settings say. */
export function updateResends(session: Session): void {
  const isWanted = !session.isV5 && (session.tenant?.settings.MaxResendTimes ?? 0) > 0;
  if (!isWanted) session.resends = null;
  else session.resends ??= new ResendQueue();
}

/** When something has to be sent again; Infinity when nothing has. */
export function resendDueMs(session: Session): number {
  return session.resends?.nextDueMs(timeoutMs(session)) ?? Number.POSITIVE_INFINITY;
}

/** Sends again, or gives up, what is due. */
export function resendDue(session: Session, nowMs: number): void {
  const { resends, tenant } = session;
  if (resends === null || tenant === null) return;
  for (;;) {
    const exchange = resends.peekDue(nowMs, timeoutMs(session));
    if (exchange === null) return;
    // Output still waits: the client has not even got the first one.
    if (session.countedBytes > 0) {
      resends.restart(exchange, nowMs);
    } else if (exchange.resendCount >= tenant.settings.MaxResendTimes) {
      giveUp(session, exchange);
    } else {
      exchange.resendCount += 1;
      resends.restart(exchange, nowMs);
      sendAgain(session, exchange);
    }
  }
}

function timeoutMs(session: Session): number {
  return (session.tenant?.settings.ResendTimeoutSeconds ?? 1) * 1000;
}

function sendAgain(session: Session, exchange: OpenExchange): void {
  const { delivery, packetId } = exchange;
  if (delivery === null) {
    sendAck(session, PacketType.PUBREL, packetId, ReasonCode.SUCCESS);
    return;
  }
  session.context.counters[Counter.REDELIVERED]! += 1;
  writeMessage(session, delivery, packetId, true); // [MQTT-3.3.1-1]
}

/** As if acknowledged: the identifier is free, the next message takes the room. */
function giveUp(session: Session, exchange: OpenExchange): void {
  if (exchange.delivery !== null) drop(session, Counter.DROPPED_SLOW_CONSUMER);
  finishExchange(session, exchange.packetId);
}
