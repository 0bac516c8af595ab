/** MQTT 5 chapters 3.4 to 3.7: PUBACK, PUBREC, PUBREL, PUBCOMP. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { MALFORMED, PROTOCOL_ERROR } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

const ID_NOT_FOUND = 0x92;

suite.check(
  "PUBREL: an unknown packet identifier is answered by PUBCOMP 0x92 [MQTT-3.7.2-1] [MQTT-4.3.3-11]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.pubrel({ packetId: 4711 }));
    const pubcomp = await client.expect("pubcomp");
    assert.equal(pubcomp.packetId, 4711);
    assert.equal(pubcomp.reasonCode, ID_NOT_FOUND);
    await client.expectQuiet();
  },
);

suite.check(
  "PUBREL: an unknown packet identifier is answered in MQTT 3.1.1 too [MQTT-4.3.3-11]",
  async (bench) => {
    const client = await bench.connect({ level: 4 });
    client.send(packets.pubrel({ packetId: 4711 }));
    assert.equal((await client.expect("pubcomp")).packetId, 4711);
  },
);

suite.check(
  "PUBREC: an unknown packet identifier is answered by PUBREL 0x92 [MQTT-3.6.2-1]",
  async (bench) => {
    const client = await bench.connect();
    client.autoAck = false;
    client.send(packets.pubrec({ packetId: 4711 }));
    const pubrel = await client.expect("pubrel");
    assert.equal(pubrel.packetId, 4711);
    assert.equal(pubrel.reasonCode, ID_NOT_FOUND);
  },
);

suite.check(
  "PUBACK, PUBCOMP: an unknown packet identifier is let pass [MQTT-4.13.1-1]",
  async (bench) => {
    for (const level of [4, 5] as const) {
      const client = await bench.connect({ level });
      client.send(packets.puback({ packetId: 4711 }), packets.pubcomp({ packetId: 4712 }));
      await client.expectQuiet();
    }
  },
);

const WRONG_CODES: readonly (readonly [string, Uint8Array])[] = [
  ["PUBACK", packets.puback({ packetId: 1, reasonCode: 0x92 })],
  ["PUBREC", packets.pubrec({ packetId: 1, reasonCode: 0x01 })],
  ["PUBREL", packets.pubrel({ packetId: 1, reasonCode: 0x80 })],
  ["PUBCOMP", packets.pubcomp({ packetId: 1, reasonCode: 0x97 })],
];

for (const [index, [name, packet]] of WRONG_CODES.entries()) {
  const id = `MQTT-3.${index + 4}.2-1`;
  suite.check(
    `${name}: a reason code that it may not carry ends the connection [${id}]`,
    async (bench) => {
      const client = await bench.connect();
      client.send(packet);
      await client.expectFault(MALFORMED, PROTOCOL_ERROR);
    },
  );
}

suite.check(
  "acknowledgements: truncated ones end the connection [MQTT-4.13.1-1]",
  async (bench) => {
    for (const firstByte of [0x40, 0x50, 0x62, 0x70]) {
      for (const level of [4, 5] as const) {
        const client = await bench.connect({ level });
        client.send(packets.packet(firstByte, packets.bytes(1)));
        await client.expectFault(MALFORMED, PROTOCOL_ERROR);
      }
    }
  },
);

suite.check(
  "acknowledgements: MQTT 3.1.1 ones have two bytes only [MQTT-4.13.1-1]",
  async (bench) => {
    const client = await bench.connect({ level: 4 });
    client.send(packets.packet(0x40, packets.bytes(0, 1, 0)));
    await client.expectClose();
  },
);

suite.check(
  "acknowledgements: reason string and user properties are accepted [MQTT-3.4.2-1]",
  async (bench) => {
    const client = await bench.connect();
    client.autoAck = false;
    await client.subscribe(bench.topic("a"), 2);
    const properties = [
      property.reasonString("fine"),
      property.user("a", "b"),
      property.user("a", "c"),
    ];
    const publisher = await bench.connect();
    await publisher.publish({ topic: bench.topic("a"), qos: 2 });
    const { packetId } = await client.expect("publish");
    client.send(packets.pubrec({ packetId, reasonCode: 0, properties }));
    assert.equal((await client.expect("pubrel")).packetId, packetId);
    client.send(packets.pubcomp({ packetId, reasonCode: 0, properties }));
    await client.expectQuiet();
  },
);

suite.check(
  "PUBREC: 0x80 and above ends the exchange, and nothing is sent again [MQTT-4.4.0-2] [MQTT-4.3.3-9]",
  async (bench) => {
    const session = { clientId: bench.clientId("s"), properties: [property.sessionExpiry(60)] };
    const client = await bench.connect({
      ...session,
      properties: [...session.properties, property.receiveMaximum(1)],
    });
    client.autoAck = false;
    await client.subscribe(bench.topic("a"), 2);
    const publisher = await bench.connect();
    await publisher.publish({ topic: bench.topic("a"), qos: 2, payload: "refused" });
    await publisher.publish({ topic: bench.topic("a"), qos: 2, payload: "next" });
    const { packetId } = await client.expectPublish("refused");
    client.send(packets.pubrec({ packetId, reasonCode: 0x80 }));
    // The quota of one is free again: the next message comes, and no PUBREL.
    const next = await client.expectPublish("next");
    client.send(packets.pubrec({ packetId: next.packetId, reasonCode: 0x87 }));
    await client.expectQuiet();
    await client.disconnect();
    const again = await bench.connect({ ...session, cleanStart: false });
    await again.expectQuiet();
  },
);

suite.check(
  "PUBACK: 0x80 and above acknowledges: nothing is sent again [MQTT-4.4.0-2]",
  async (bench) => {
    const session = { clientId: bench.clientId("s"), properties: [property.sessionExpiry(60)] };
    const client = await bench.connect(session);
    client.autoAck = false;
    await client.subscribe(bench.topic("a"), 1);
    const publisher = await bench.connect();
    await publisher.publish({ topic: bench.topic("a"), qos: 1 });
    const { packetId } = await client.expect("publish");
    client.send(packets.puback({ packetId, reasonCode: 0x80 }));
    await client.expectQuiet();
    await client.disconnect();
    const again = await bench.connect({ ...session, cleanStart: false });
    await again.expectQuiet();
  },
);

suite.check(
  "acknowledgements: the server's fit the client's maximum packet size [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]",
  async (bench) => {
    const client = await bench.connect({ properties: [property.maximumPacketSize(20)] });
    client.send(packets.publish({ topic: bench.topic("a"), qos: 1, packetId: 1 }));
    await client.expect("puback");
    client.send(packets.publish({ topic: bench.topic("a"), qos: 2, packetId: 2 }));
    await client.expect("pubrec");
    client.send(packets.pubrel({ packetId: 2 }));
    await client.expect("pubcomp");
    client.send(packets.pubrel({ packetId: 3 }));
    assert.equal((await client.expect("pubcomp")).reasonCode, ID_NOT_FOUND);
  },
);

suite.check(
  "PUBREL: the server's fits the client's maximum packet size [MQTT-3.6.2-2] [MQTT-3.6.2-3]",
  async (bench) => {
    const client = await bench.connect({ properties: [property.maximumPacketSize(16)] });
    client.autoAck = false;
    client.send(packets.pubrec({ packetId: 4711 }));
    assert.equal((await client.expect("pubrel")).reasonCode, ID_NOT_FOUND);
  },
);
