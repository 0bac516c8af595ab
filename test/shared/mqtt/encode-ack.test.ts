/** Acknowledgements and PINGRESP: exact bytes, and nothing beside them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AckType,
  ackSize,
  PINGRESP_SIZE,
  writeAck,
  writePingresp,
} from "../../../src/shared/mqtt/encode-ack.ts";
import { PacketType } from "../../../src/shared/mqtt/packet-type.ts";
import { decodeServerPackets } from "../../helpers/server-packets.ts";

function ack(type: AckType, packetId: number, reasonCode: number): Uint8Array {
  const target = new Uint8Array(10).fill(0xee);
  const size = writeAck(target, 2, type, packetId, reasonCode);
  assert.equal(size, ackSize(reasonCode));
  assert.deepEqual([target[1], target[2 + size]], [0xee, 0xee]);
  return target.slice(2, 2 + size);
}

test("acknowledgement encoder: the two-byte form serves every version", () => {
  assert.deepEqual([...ack(PacketType.PUBACK, 0x1234, 0)], [0x40, 2, 0x12, 0x34]);
  assert.deepEqual([...ack(PacketType.PUBREC, 1, 0)], [0x50, 2, 0, 1]);
  assert.deepEqual([...ack(PacketType.PUBREL, 0xffff, 0)], [0x62, 2, 0xff, 0xff]); // [MQTT-3.6.1-1]
  assert.deepEqual([...ack(PacketType.PUBCOMP, 256, 0)], [0x70, 2, 1, 0]);
});

test("acknowledgement encoder: a reason code takes one byte more and no property length", () => {
  const types = [PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP];
  const names = ["puback", "pubrec", "pubrel", "pubcomp"];
  types.forEach((type, i) => {
    const content = ack(type, 7, 0x92);
    assert.equal(content.length, 5);
    const [packet] = decodeServerPackets(content, 5);
    assert.ok(packet !== undefined && packet.type === names[i] && "packetId" in packet);
    assert.equal(packet.packetId, 7);
    assert.equal("reasonCode" in packet && packet.reasonCode, 0x92);
  });
});

test("PINGRESP encoder: two bytes [MQTT-3.12.4-1]", () => {
  const target = new Uint8Array(4);
  assert.equal(writePingresp(target, 1), PINGRESP_SIZE);
  assert.deepEqual([...target], [0, 0xd0, 0, 0]);
});
