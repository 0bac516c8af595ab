/**
 * DebugModeEnabled: log events for each message of a tenant, to find out where a message goes. At
 * level info, so that it needs nothing but the setting; rate-limited by name like all events.
 * Thread: worker. Nothing here runs while the setting is off.
 */

import { COUNTERS } from "../../shared/metrics/counter-table.ts";
import type { BorrowedPublish } from "../dist/borrowed-publish.ts";
import type { Delivery } from "./deliver.ts";
import type { Session } from "./session.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function isTraced(session: Session): boolean {
  return session.tenant?.settings.DebugModeEnabled === true;
}

/** A publish is accepted and goes to its subscribers. */
export function traceReceived(session: Session, publish: BorrowedPublish, packetId: number): void {
  const { qos, retain, payloadLength } = publish;
  log(session, "publish_received", {
    topic: topicOf(publish),
    ...fieldsOf(qos, retain, qos === 0 ? 0 : packetId),
    payload_bytes: payloadLength,
  });
}

/** A publish has been written for this client straight from the publisher's packet. */
export function traceSent(
  session: Session,
  publish: BorrowedPublish,
  qos: number,
  retain: boolean,
  packetId: number,
): void {
  log(session, "publish_sent", {
    topic: topicOf(publish),
    ...fieldsOf(qos, retain, packetId),
    payload_bytes: publish.payloadLength,
  });
}

/** As `traceSent`, from a message that had been kept. */
export function traceDelivery(session: Session, delivery: Delivery, packetId: number): void {
  const { message, qos, retain } = delivery;
  log(session, "publish_sent", {
    topic: decoder.decode(message.topic),
    ...fieldsOf(qos, retain, packetId),
    payload_bytes: message.payload.length,
  });
}

/** A message for this client was dropped and counted in column `counter`. */
export function traceDropped(session: Session, counter: number): void {
  const definition = COUNTERS[counter];
  const reason = definition !== undefined && "labels" in definition ? definition.labels : {};
  log(session, "publish_dropped", { ...reason });
}

function log(session: Session, event: string, fields: Readonly<Record<string, unknown>>): void {
  const { tenantId, clientId } = session;
  session.context.log.info(event, { tenant: tenantId, client_id: clientId, ...fields });
}

function fieldsOf(qos: number, retain: boolean, packetId: number): Record<string, unknown> {
  return packetId === 0 ? { qos, retain } : { qos, retain, packet_id: packetId };
}

/** Of a copy: the publish may lie in memory that threads share, which the decoder does not take. */
function topicOf(publish: BorrowedPublish): string {
  const { topicBytes, topicOffset, topicLength } = publish;
  return decoder.decode(
    new Uint8Array(topicBytes.subarray(topicOffset, topicOffset + topicLength)),
  );
}
