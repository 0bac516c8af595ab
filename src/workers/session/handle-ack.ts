/**
 * PUBACK, PUBREC, PUBREL, PUBCOMP from the client. Thread: worker.
 *
 * A stored session's inbox learns of each step; PUBREL leaves only when it has stored the PUBREC,
 * so that a resumed session never goes back to PUBLISH [MQTT-4.3.3-6]. No step asks whether the
 * message has expired [MQTT-4.3.3-13].
 */

import { Awaiting } from "../../shared/mqtt/outbound-window.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { InboxOp } from "../inbox/inbox-api.ts";
import { finishShared, noteSent, pumpQueue } from "./deliver.ts";
import { sendAck } from "./send.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";

export function handlePuback(session: Session, packetId: number, _reasonCode: number): void {
  const awaiting = session.window?.awaiting(packetId) ?? Awaiting.NOTHING;
  // An unknown identifier changes nothing: it must not raise the send quota.
  if (awaiting === Awaiting.NOTHING) return;
  if (awaiting !== Awaiting.PUBACK) {
    session.close(ReasonCode.PROTOCOL_ERROR, "PUBACK for a QoS 2 publish");
    return;
  }
  // [MQTT-4.4.0-2] Also a refusal is an acknowledgement.
  finishExchange(session, packetId);
}

export function handlePubrec(session: Session, packetId: number, reasonCode: number): void {
  const { window } = session;
  const awaiting = window?.awaiting(packetId) ?? Awaiting.NOTHING;
  if (window === null || awaiting === Awaiting.NOTHING) {
    if (reasonCode >= ReasonCode.UNSPECIFIED_ERROR) return;
    sendAck(session, PacketType.PUBREL, packetId, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND);
    return;
  }
  if (awaiting === Awaiting.PUBACK) {
    session.close(ReasonCode.PROTOCOL_ERROR, "PUBREC for a QoS 1 publish");
    return;
  }
  if (reasonCode >= ReasonCode.UNSPECIFIED_ERROR) {
    finishExchange(session, packetId); // [MQTT-4.8.2-6]
    return;
  }
  if (awaiting === Awaiting.PUBREC) {
    finishShared(session, window.value(packetId));
    window.becomeReceived(packetId);
    noteSent(session, packetId, null);
  }
  if (!session.isPersistent) {
    sendAck(session, PacketType.PUBREL, packetId, ReasonCode.SUCCESS); // [MQTT-4.3.3-4]
    return;
  }
  session.context.inbox.commit(session, InboxOp.RECEIVED, packetId, () => {
    if (session.phase !== Phase.ACTIVE) return;
    sendAck(session, PacketType.PUBREL, packetId, ReasonCode.SUCCESS);
  });
}

export function handlePubrel(session: Session, packetId: number): void {
  const isKnown = session.inboundIds?.delete(packetId) ?? false;
  session.inboundOrigins?.settle(packetId);
  if (isKnown && session.isPersistent) {
    // Who has PUBCOMP may use the identifier for another message, which nobody may take for a
    // repeat of this one, also after a restart.
    session.context.inbox.commit(session, InboxOp.INBOUND_REMOVE, packetId, () => {
      if (session.phase !== Phase.ACTIVE) return;
      sendAck(session, PacketType.PUBCOMP, packetId, ReasonCode.SUCCESS);
    });
    return;
  }
  // [MQTT-4.3.3-11] An unknown PUBREL is answered too, else the client would wait for ever.
  const code = isKnown ? ReasonCode.SUCCESS : ReasonCode.PACKET_IDENTIFIER_NOT_FOUND;
  sendAck(session, PacketType.PUBCOMP, packetId, code);
}

export function handlePubcomp(session: Session, packetId: number): void {
  const awaiting = session.window?.awaiting(packetId) ?? Awaiting.NOTHING;
  if (awaiting === Awaiting.NOTHING) return;
  if (awaiting !== Awaiting.PUBCOMP) {
    session.close(ReasonCode.PROTOCOL_ERROR, "PUBCOMP before PUBREC");
    return;
  }
  finishExchange(session, packetId);
}

/** The identifier is free again [MQTT-4.3.2-5] [MQTT-4.3.3-12]; the next message takes the room. */
export function finishExchange(session: Session, packetId: number): void {
  const { window } = session;
  if (window === null) return;
  finishShared(session, window.value(packetId));
  window.release(packetId);
  session.resends?.finished(packetId);
  session.acknowledgedCount += 1;
  if (session.isPersistent) {
    session.context.inbox.commit(session, InboxOp.ACKNOWLEDGED, packetId, null);
  }
  pumpQueue(session);
}
