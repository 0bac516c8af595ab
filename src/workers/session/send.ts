/**
 * Packets from the broker itself to one client: acknowledgements straight into the output, the rare
 * ones through the cold-packet encoder, which leaves out reason strings and user properties that
 * would exceed the client's Maximum Packet Size. Flow: publish 8/8. Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import {
  type AckType,
  ackSize,
  PINGRESP_SIZE,
  writeAck,
  writePingresp,
} from "../../shared/mqtt/encode-ack.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import { disconnectReasonCode } from "../../shared/mqtt/reason-code.ts";
import { type ColdServerPacket, encodeColdPacket } from "../mqtt/cold-packets.ts";
import type { InboundAck } from "./inbound-acks.ts";
import type { Session } from "./session.ts";

/** PUBACK, PUBREC, PUBREL or PUBCOMP; MQTT 3.x has no room for the code. */
export function sendAck(
  session: Session,
  type: AckType,
  packetId: number,
  reasonCode: number,
): void {
  const output = session.transport.output;
  const code = session.isV5 ? reasonCode : 0;
  const size = ackSize(code);
  const at = output.reserve(size);
  writeAck(output.bytes, at, type, packetId, code);
  countSent(session, size);
}

/** The same with words for people, where the client wants any. */
export function sendReasonedAck(
  session: Session,
  type: typeof PacketType.PUBACK | typeof PacketType.PUBREC,
  { packetId, reasonCode, reasonString }: InboundAck,
): void {
  if (reasonString === "" || !session.isV5 || !session.requestProblemInformation) {
    sendAck(session, type, packetId, reasonCode);
    return;
  }
  const name = type === PacketType.PUBACK ? "puback" : "pubrec";
  sendCold(session, { type: name, packetId, reasonCode, reasonString });
}

export function sendPingresp(session: Session): void {
  const output = session.transport.output;
  const at = output.reserve(PINGRESP_SIZE);
  writePingresp(output.bytes, at);
  countSent(session, PINGRESP_SIZE);
}

/**
 * A packet that cannot be made to fit the client's Maximum Packet Size is not sent [MQTT-3.1.2-24].
 */
export function sendCold(session: Session, packet: ColdServerPacket): void {
  const bytes = encodeColdPacket(
    packet,
    session.protocolVersion,
    session.maximumPacketSize,
    session.requestProblemInformation, // [MQTT-3.1.2-29]
  );
  if (bytes === null) return;
  const output = session.transport.output;
  const at = output.reserve(bytes.length);
  output.bytes.set(bytes, at);
  countSent(session, bytes.length);
}

/** MQTT 3.x has no DISCONNECT from the server: there the close says it all. */
export function sendDisconnect(
  session: Session,
  reasonCode: number,
  text: string,
  serverReference: string | null,
): void {
  if (!session.isV5) return;
  sendCold(session, {
    type: "disconnect",
    reasonCode: disconnectReasonCode(reasonCode),
    reasonString: text,
    serverReference,
    userProperties: [],
  });
}

export function countSent(session: Session, size: number): void {
  const { counters } = session.context;
  counters[Counter.PACKETS_SENT]! += 1;
  if (session.tenant !== null) {
    session.tenant.counters.messagesSent += 1;
    session.tenant.counters.bytesSent += size;
  }
}
