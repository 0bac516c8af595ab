/** The will of a session as a message. Thread: worker. */

import { Message } from "../../shared/mqtt/message.ts";
import type { WillPacket } from "../../shared/mqtt/packet-view.ts";
import type { InboxWill } from "../inbox/inbox-api.ts";
import type { Session } from "./session.ts";

const encoder = new TextEncoder();

export function inboxWill(session: Session, will: WillPacket): InboxWill {
  return { message: willMessage(session, will), delaySeconds: will.delaySeconds };
}

/**
 * The will as a publish; its expiry starts when it is published. [MQTT-3.1.2-14] [MQTT-3.1.2-15]
 * [MQTT-3.1.3-10]
 */
export function willMessage(session: Session, will: WillPacket): Message {
  return new Message(
    session.tenantId,
    encoder.encode(will.topic),
    will.payload,
    will.forwardProperties,
    will.qos,
    will.retain,
    will.messageExpirySeconds,
    session.context.nowMs(),
    session.clientId,
  );
}
