/** MQTT 5 chapter 2: fixed header, packet identifiers, property blocks. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { type RawClient, textOf } from "../helpers/raw-client.ts";
import { expectRefusal, MALFORMED, PROTOCOL_ERROR, takePublishes } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

/** A legal packet with its first byte replaced. */
function withFirstByte(packet: Uint8Array, firstByte: number): Uint8Array {
  const changed = Uint8Array.from(packet);
  changed[0] = firstByte;
  return changed;
}

const ONE_FILTER = [{ filter: "reserved/flags" }];
const RESERVED_FLAGS: readonly (readonly [string, Uint8Array, string?])[] = [
  ["PUBACK", withFirstByte(packets.puback({ packetId: 1 }), 0x41)],
  ["PUBREC", withFirstByte(packets.pubrec({ packetId: 1 }), 0x52)],
  ["PUBREL", withFirstByte(packets.pubrel({ packetId: 1 }), 0x60), "3.6.1-1"],
  ["PUBCOMP", withFirstByte(packets.pubcomp({ packetId: 1 }), 0x74)],
  ["SUBSCRIBE", withFirstByte(packets.subscribe({ filters: ONE_FILTER }), 0x80), "3.8.1-1"],
  ["UNSUBSCRIBE", withFirstByte(packets.unsubscribe({ filters: ["x"] }), 0xa0), "3.10.1-1"],
  ["PINGREQ", withFirstByte(packets.pingreq(), 0xc1)],
  ["DISCONNECT", withFirstByte(packets.disconnect(), 0xe8)],
];
for (const [name, packet, id = "2.1.3-1"] of RESERVED_FLAGS) {
  suite.check(
    `fixed header: reserved flags of ${name} end the connection [MQTT-${id}]`,
    async (bench) => {
      const client = await bench.connect();
      client.send(packet);
      await client.expectFault(MALFORMED);
    },
  );
}

suite.check("fixed header: reserved flags of CONNECT are refused [MQTT-2.1.3-1]", async (bench) => {
  const client = await bench.open();
  client.send(withFirstByte(packets.connect(), 0x11));
  await expectRefusal(client, MALFORMED);
});

for (const [name, firstByte] of [
  ["type 0", 0x00],
  ["CONNACK", 0x20],
  ["SUBACK", 0x90],
  ["UNSUBACK", 0xb0],
  ["PINGRESP", 0xd0],
] as const) {
  suite.check(
    `fixed header: ${name} from a client ends the connection [MQTT-4.13.1-1]`,
    async (bench) => {
      for (const level of [4, 5] as const) {
        const client = await bench.connect({ level });
        client.send(packets.packet(firstByte, packets.bytes(0, 1, 0)));
        await client.expectFault(MALFORMED, PROTOCOL_ERROR);
      }
    },
  );
}

suite.check("fixed header: AUTH in MQTT 3.1.1 ends the connection [MQTT-2.1.2]", async (bench) => {
  const client = await bench.connect({ level: 4 });
  client.send(packets.bytes(0xf0, 0));
  await client.expectClose();
});

const IDENTIFIER_ZERO: readonly (readonly [string, Uint8Array])[] = [
  ["SUBSCRIBE", packets.subscribe({ packetId: 0, filters: ONE_FILTER })],
  ["UNSUBSCRIBE", packets.unsubscribe({ packetId: 0, filters: ["x"] })],
  ["PUBLISH at QoS 1", packets.publish({ packetId: 0, topic: "x", qos: 1 })],
  ["PUBLISH at QoS 2", packets.publish({ packetId: 0, topic: "x", qos: 2 })],
];

for (const [name, packet] of IDENTIFIER_ZERO) {
  suite.check(
    `packet identifier: 0 in ${name} ends the connection [MQTT-2.2.1-3]`,
    async (bench) => {
      const client = await bench.connect();
      client.send(packet);
      await client.expectFault(MALFORMED, PROTOCOL_ERROR);
    },
  );
}

suite.check(
  "packet identifier: the server's own are non-zero and unused [MQTT-2.2.1-4]",
  async (bench) => {
    const topic = bench.topic("ids");
    const subscriber = await bench.connect();
    subscriber.autoAck = false;
    await subscriber.subscribe(topic, 2);
    const publisher = await bench.connect();
    for (let index = 0; index < 10; index += 1) {
      await publisher.publish({ topic, qos: 1 + (index % 2) });
    }
    const ids = (await takePublishes(subscriber, 10)).map((message) => message.packetId);
    assert.equal(new Set(ids).size, 10);
    assert.ok(!ids.includes(0));
  },
);

suite.check(
  "packet identifier: acknowledgements echo it [MQTT-2.2.1-5] [MQTT-2.2.1-6]",
  async (bench) => {
    const client = await bench.connect();
    for (const packetId of [1, 255, 256, 65_535]) {
      await client.publish({ topic: bench.topic("echo"), qos: 1, packetId });
      await client.publish({ topic: bench.topic("echo"), qos: 2, packetId });
      client.send(packets.subscribe({ packetId, filters: [{ filter: bench.topic("sub") }] }));
      assert.equal((await client.expect("suback")).packetId, packetId);
      client.send(packets.unsubscribe({ packetId, filters: [bench.topic("sub")] }));
      assert.equal((await client.expect("unsuback")).packetId, packetId);
    }
  },
);

suite.check(
  "packet identifier: client and server use the same one independently [MQTT-2.2.1-5]",
  async (bench) => {
    const topic = bench.topic("both");
    const client = await bench.connect();
    client.autoAck = false;
    await client.subscribe(topic, 1);
    client.send(packets.publish({ topic, qos: 1, packetId: 1 }));
    const first = [(await client.next())?.type, (await client.next())?.type].sort();
    assert.deepEqual(first, ["puback", "publish"]);
    client.send(packets.puback({ packetId: 1 }));
    await client.expectQuiet();
  },
);

const BLOCK_FAULTS: readonly (readonly [string, (topic: string) => Uint8Array])[] = [
  [
    "a property length beyond the packet",
    (topic) => packets.packet(0x30, packets.field(topic), packets.properties([], 100)),
  ],
  [
    "a property cut off by the block's end",
    (topic) =>
      packets.packet(
        0x30,
        packets.field(topic),
        packets.varint(2),
        packets.bytes(0x02, 0),
        packets.u32(1),
      ),
  ],
  [
    "an unknown property",
    (topic) => packets.publish({ topic, properties: [packets.bytes(0x7f, 0)] }),
  ],
  [
    "a property of another packet type",
    (topic) => packets.publish({ topic, properties: [property.sessionExpiry(1)] }),
  ],
  [
    "a property twice",
    (topic) =>
      packets.publish({
        topic,
        properties: [property.messageExpiry(1), property.messageExpiry(1)],
      }),
  ],
  [
    "a value out of its range",
    (topic) => packets.publish({ topic, properties: [property.payloadFormat(2)] }),
  ],
];

for (const [name, build] of BLOCK_FAULTS) {
  suite.check(`properties: ${name} ends the connection [MQTT-4.13.1-1]`, async (bench) => {
    const client = await bench.connect();
    client.send(build(bench.topic("x")));
    await client.expectFault(MALFORMED, PROTOCOL_ERROR);
  });
}

suite.check(
  "properties: no block in a v5 PUBACK of three bytes counts as length 0 [MQTT-2.2.2-1]",
  async (bench) => {
    const topic = bench.topic("short");
    const client = await bench.connect();
    client.autoAck = false;
    await client.subscribe(topic, 1);
    await acknowledgeIn(client, topic, (packetId) => packets.puback({ packetId }));
    await acknowledgeIn(client, topic, (packetId) => packets.puback({ packetId, reasonCode: 0 }));
    await acknowledgeIn(client, topic, (packetId) =>
      packets.puback({ packetId, reasonCode: 0x10, properties: [property.reasonString("why")] }),
    );
  },
);

async function acknowledgeIn(
  client: RawClient,
  topic: string,
  build: (packetId: number) => Uint8Array,
): Promise<void> {
  client.send(packets.publish({ topic }), packets.publish({ topic, qos: 1, packetId: 9 }));
  await client.expect("publish");
  const rest = [await client.next(), await client.next()];
  const message = rest.find((packet) => packet?.type === "publish");
  assert.ok(message?.type === "publish" && message.packetId > 0);
  client.send(build(message.packetId));
  await client.expectQuiet();
}

suite.check("framing: packets split at every byte are understood [MQTT-4.2-1]", async (bench) => {
  const client = await bench.open();
  const topic = bench.topic("bytes");
  const stream = packets.concat(
    packets.connect({ clientId: bench.clientId("split") }),
    packets.subscribe({ filters: [{ filter: topic }] }),
    packets.publish({ topic, payload: "x".repeat(200), properties: [property.user("a", "b")] }),
    packets.pingreq(),
  );
  for (const byte of stream) {
    client.send(packets.bytes(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.expect("connack");
  const names = [(await client.next())?.type, (await client.next())?.type];
  assert.deepEqual(names.sort(), ["publish", "suback"], "in either order (MQTT5 §3.8.4)");
  await client.expect("pingresp");
});

suite.check("framing: many packets in one segment are understood [MQTT-4.2-1]", async (bench) => {
  const client = await bench.open();
  const topic = bench.topic("burst");
  const burst = Array.from({ length: 100 }, (_none, index) =>
    packets.publish({ topic, payload: `${index}` }),
  );
  client.send(
    packets.connect({ clientId: bench.clientId("burst") }),
    packets.subscribe({ filters: [{ filter: topic }] }),
    ...burst,
  );
  await client.expect("connack");
  // The server may deliver before it sends SUBACK (MQTT5 §3.8.4): only the order of the messages
  // counts.
  const received: string[] = [];
  let subacks = 0;
  while (received.length + subacks < 101) {
    const packet = await client.next();
    if (packet?.type === "publish") received.push(textOf(packet.payload));
    else if (packet?.type === "suback") subacks += 1;
    else assert.fail(`unexpected ${packet?.type}`);
  }
  assert.deepEqual(
    received,
    Array.from({ length: 100 }, (_none, index) => `${index}`),
  );
});
