import assert from "node:assert/strict";
import { test } from "node:test";
import {
  connectPacket,
  type PacketSink,
  publishTemplate,
  receiveMaximumOf,
  subscribePacket,
  walkPackets,
} from "../../../bench/load/client-codec.ts";
import * as packets from "../../helpers/packets.ts";

class Recorder implements PacketSink {
  readonly seen: string[] = [];

  handlePublish(
    bytes: Uint8Array,
    offset: number,
    end: number,
    qos: number,
    packetId: number,
  ): void {
    this.seen.push(`publish ${qos} ${packetId} ${bytes[offset + 3]} of ${end - offset}`);
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    this.seen.push(`${type} ${[...bytes.subarray(bodyOffset, bodyOffset + bodyLength)].join()}`);
  }
}

test("client codec: walks packets split at every byte, long and short headers, both versions", () => {
  for (const level of [4, 5] as const) {
    const stream = packets.concat(
      packets.publish({ level, topic: "a", qos: 1, packetId: 300, payload: packets.u32(7) }),
      packets.bytes(0x40, 2, 1, 2),
      packets.publish({
        level,
        topic: "t".repeat(200),
        payload: packets.concat(packets.u32(9), new Uint8Array(20_000)),
      }),
      packets.bytes(0xd0, 0),
    );
    const expected = ["publish 1 300 7 of 4", "4 1,2", "publish 0 0 9 of 20004", "13 "];
    for (let cut = 0; cut <= stream.length; cut += cut < 300 ? 1 : 997) {
      const recorder = new Recorder();
      const done = walkPackets(stream, { start: 0, end: cut }, level === 5, recorder);
      const rest = walkPackets(stream, { start: done, end: stream.length }, level === 5, recorder);
      assert.equal(rest, stream.length);
      assert.deepEqual(recorder.seen, expected);
    }
  }
});

test("client codec: publishes are what the independent builders make", () => {
  for (const level of [4, 5] as const) {
    const payload = Buffer.from("0123456789abcdef");
    const template = publishTemplate("a/b", payload, { qos: 1, protocolVersion: level });
    template.bytes.writeUInt16BE(513, template.packetIdOffset);
    const built = packets.publish({ level, topic: "a/b", qos: 1, packetId: 513, payload });
    assert.deepEqual([...template.bytes], [...built]);
    assert.equal(
      template.bytes.toString("utf8", template.topicOffset, template.topicOffset + 3),
      "a/b",
    );
    assert.equal(template.bytes[template.payloadOffset], 48);
  }
  const template = publishTemplate("a", Buffer.alloc(0), {
    qos: 0,
    protocolVersion: 4,
    isRetained: true,
  });
  assert.deepEqual([...template.bytes], [0x31, 3, 0, 1, 97]);
  assert.equal(template.packetIdOffset, -1);
});

test("client codec: CONNECT and SUBSCRIBE of both versions", () => {
  assert.deepEqual(
    [...connectPacket("c", 4)],
    [0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 1, 99],
  );
  assert.deepEqual(
    [...connectPacket("c", 5, true)],
    [0x10, 19, 0, 4, 77, 81, 84, 84, 5, 0, 0, 0, 5, 0x11, 0, 0, 14, 16, 0, 1, 99],
  );
  assert.deepEqual(
    [...subscribePacket(["a", "b"], 1, 4)],
    [0x82, 10, 0, 1, 0, 1, 97, 1, 0, 1, 98, 1],
  );
  assert.deepEqual([...subscribePacket(["a"], 2, 5)], [0x82, 7, 0, 1, 0, 0, 1, 97, 2]);
});

test("client codec: finds the receive maximum behind properties of every form [MQTT-3.3.4-9]", () => {
  const connack = (...properties: number[]) => [0, 0, properties.length, ...properties];
  const read = (body: readonly number[]) =>
    receiveMaximumOf(Uint8Array.from([9, 9, ...body]), 2, body.length);
  assert.equal(read(connack()), 65_535);
  assert.equal(read(connack(0x21, 1, 2)), 258);
  const others = [0x24, 1, 0x13, 0, 9, 0x27, 0, 1, 0, 0, 0x12, 0, 2, 120, 121];
  const pair = [0x26, 0, 1, 97, 0, 2, 98, 99];
  assert.equal(read(connack(...others, ...pair, 0x21, 0, 20)), 20);
  assert.equal(read(connack(0x7f, 1, 0x21, 0, 20)), 65_535);
});
