/** MQTT 5 chapter 3.1.2: what the properties and numbers of CONNECT make the server do. */

import assert from "node:assert/strict";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { type PublishPacket, RawClient } from "../helpers/raw-client.ts";
import { expectNothingBefore, MALFORMED, payloads, takePublishes } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

// Keep alive below the default minimum, so that the cases about it end soon.
const suite = conformanceSuite({
  config: { tenants: { defaults: { MinKeepAliveSeconds: 1 } } },
});
const { property } = packets;

const KEEP_ALIVE_TIMEOUT = 0x8d;

suite.check(
  "keep alive: silence over one and a half times closes the connection [MQTT-3.1.2-22]",
  async (bench) => {
    const modern = await bench.connect({ keepAlive: 1 });
    const old = await bench.connect({ level: 4, keepAlive: 1 });
    const startMs = performance.now();
    await modern.expectFault(KEEP_ALIVE_TIMEOUT);
    await old.expectClose();
    assert.ok(
      performance.now() - startMs >= 1_400,
      "closed before one and a half times keep alive",
    );
  },
);

suite.check("keep alive: any packet counts as a sign of life [MQTT-3.1.2-22]", async (bench) => {
  const client = await bench.connect({ keepAlive: 1 });
  for (let round = 0; round < 4; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 600));
    if (round % 2 === 0) client.send(packets.publish({ topic: bench.topic("x") }));
    else await client.expectQuiet();
  }
  await client.expectQuiet();
});

suite.check(
  "keep alive: 0 turns the check off, and no Server Keep Alive means the client's value [MQTT-3.2.2-22]",
  async (bench) => {
    const client = await bench.connect({ keepAlive: 0 });
    const other = await bench.connect({ keepAlive: 1 });
    assert.equal(other.connack?.properties.serverKeepAlive, undefined);
    await other.closed;
    await client.expectQuiet();
  },
);

suite.check(
  "keep alive: a client that lets it lapse has its will published [MQTT-3.1.2-8]",
  async (bench) => {
    const watcher = await bench.connect();
    await watcher.subscribe(bench.topic("will"));
    await bench.connect({ keepAlive: 1, will: { topic: bench.topic("will"), payload: "lapsed" } });
    await watcher.expectPublish("lapsed");
  },
);

suite.check(
  "session expiry: the session lives on after the close, then ends [MQTT-3.1.2-23] [MQTT-4.1.0-2]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const properties = [property.sessionExpiry(1)];
    const first = await bench.connect({ clientId, cleanStart: false, properties });
    first.destroy();
    await first.closed;
    const second = await bench.connect({ clientId, cleanStart: false, properties });
    assert.equal(second.connack?.sessionPresent, true);
    await second.disconnect();
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    const third = await bench.connect({ clientId, cleanStart: false });
    assert.equal(third.connack?.sessionPresent, false);
  },
);

suite.check(
  "session expiry: absent or 0 ends the session with the connection [MQTT-4.1.0-2]",
  async (bench) => {
    for (const properties of [[], [property.sessionExpiry(0)]]) {
      const clientId = bench.clientId(`s${properties.length}`);
      const first = await bench.connect({ clientId, cleanStart: false, properties });
      await first.disconnect();
      const second = await bench.connect({ clientId, cleanStart: false });
      assert.equal(second.connack?.sessionPresent, false);
    }
  },
);

suite.check(
  "session expiry: the largest value never ends it [MQTT5 §3.1.2.11.2]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const properties = [property.sessionExpiry(0xffff_ffff)];
    const first = await bench.connect({ clientId, cleanStart: false, properties });
    await first.disconnect();
    const second = await bench.connect({ clientId, cleanStart: false });
    assert.equal(second.connack?.sessionPresent, true);
  },
);

suite.check("session expiry: DISCONNECT may shorten it [MQTT5 §3.14.2.2.2]", async (bench) => {
  const clientId = bench.clientId("s");
  const properties = [property.sessionExpiry(100)];
  const first = await bench.connect({ clientId, cleanStart: false, properties });
  first.send(packets.disconnect(0, [property.sessionExpiry(0)]));
  await first.expectClose();
  const second = await bench.connect({ clientId, cleanStart: false });
  assert.equal(second.connack?.sessionPresent, false);
});

suite.check(
  "maximum packet size: the server never sends a larger packet [MQTT-3.1.2-24] [MQTT-3.1.2-25]",
  async (bench) => {
    const topic = bench.topic("mps");
    const subscriber = await bench.connect({ properties: [property.maximumPacketSize(100)] });
    await subscriber.subscribe(topic, 2);
    const publisher = await bench.connect();
    for (const qos of [0, 1, 2]) {
      await publisher.publish({ topic, qos, payload: "x".repeat(200) });
      await publisher.publish({ topic, qos, payload: `small ${qos}` });
      const message = await subscriber.expectPublish(`small ${qos}`);
      assert.equal(message.qos, qos);
    }
  },
);

suite.check("maximum packet size: the limit is exact [MQTT-3.1.2-24]", async (bench) => {
  const topic = bench.topic("exact");
  const fitting = packets.publish({ topic, payload: "x".repeat(60) });
  const subscriber = await bench.connect({
    properties: [property.maximumPacketSize(fitting.length)],
  });
  await subscriber.subscribe(topic);
  const publisher = await bench.connect();
  publisher.send(packets.publish({ topic, payload: "x".repeat(61) }), fitting);
  await subscriber.expectPublish("x".repeat(60));
});

suite.check(
  "maximum packet size: dropped messages do not use up the window [MQTT-3.1.2-25]",
  async (bench) => {
    const topic = bench.topic("window");
    const subscriber = await bench.connect({
      properties: [property.maximumPacketSize(100), property.receiveMaximum(2)],
    });
    await subscriber.subscribe(topic, 1);
    const publisher = await bench.connect();
    for (let index = 0; index < 5; index += 1) {
      await publisher.publish({ topic, qos: 1, payload: "x".repeat(200) });
    }
    await publisher.publish({ topic, qos: 1, payload: "small" });
    await subscriber.expectPublish("small");
  },
);

suite.check("response information: not sent when not asked for [MQTT-3.1.2-28]", async (bench) => {
  for (const properties of [[], [property.requestResponseInformation(0)]]) {
    const client = await bench.connect({ properties });
    assert.equal(client.connack?.properties.responseInformation, undefined);
  }
});

suite.check(
  "problem information 0: no reason string or user property on acknowledgements [MQTT-3.1.2-29]",
  async (bench) => {
    const client = await bench.connect({ properties: [property.requestProblemInformation(0)] });
    client.send(
      packets.subscribe({ filters: [{ filter: `$share/g/${bench.topic("a")}` }, { filter: "x" }] }),
    );
    const suback = await client.expect("suback");
    client.send(packets.unsubscribe({ filters: ["never/subscribed"] }));
    const unsuback = await client.expect("unsuback");
    client.send(packets.publish({ topic: bench.topic("nobody"), qos: 1 }));
    const puback = await client.expect("puback");
    client.send(packets.pubrel({ packetId: 999 }));
    const pubcomp = await client.expect("pubcomp");
    for (const packet of [suback, unsuback, puback, pubcomp]) {
      assert.equal(packet.properties.reasonString, undefined);
      assert.deepEqual(packet.properties.userProperties, []);
    }
  },
);

suite.check(
  "topic alias maximum: none or 0 means no aliases from the server [MQTT-3.1.2-27]",
  async (bench) => {
    const topic = bench.topic("alias");
    const publisher = await bench.connect();
    for (const properties of [[], [property.topicAliasMaximum(0)]]) {
      const subscriber = await bench.connect({ properties });
      await subscriber.subscribe(topic);
      for (let index = 0; index < 5; index += 1) publisher.send(packets.publish({ topic }));
      for (const message of await takePublishes(subscriber, 5)) {
        assert.equal(message.properties.topicAlias, undefined);
        assert.equal(message.topic, topic);
      }
    }
  },
);

suite.check(
  "topic alias maximum: the server's aliases stay within it and resolve [MQTT-3.1.2-26] [MQTT-3.3.2-11]",
  async (bench) => {
    const properties = [property.topicAliasMaximum(2)];
    const subscriber = await bench.connect({ properties });
    await subscriber.subscribe(bench.topic("#"));
    const publisher = await bench.connect();
    const sent: string[] = [];
    for (let index = 0; index < 40; index += 1) {
      const topic = bench.topic(`long/topic/name/${index % 4}`);
      sent.push(topic);
      publisher.send(packets.publish({ topic, payload: topic, qos: 0 }));
    }
    const aliases = new Map<number, string>();
    for (const [index, message] of (await takePublishes(subscriber, 40)).entries()) {
      const alias = message.properties.topicAlias;
      if (alias !== undefined) {
        assert.ok(alias >= 1 && alias <= 2);
        if (message.topic !== "") aliases.set(alias, message.topic);
      }
      const topic = message.topic === "" ? aliases.get(alias ?? 0) : message.topic;
      assert.equal(topic, sent[index]);
    }
  },
);

suite.check(
  "receive maximum: the server keeps within the client's [MQTT-3.3.4-9] [MQTT-4.9.0-2]",
  async (bench) => {
    const topic = bench.topic("window");
    const subscriber = await bench.connect({ properties: [property.receiveMaximum(3)] });
    subscriber.autoAck = false;
    await subscriber.subscribe(topic, 2);
    await subscriber.subscribe(bench.topic("qos0"), 0);
    const publisher = await bench.connect();
    for (let index = 0; index < 8; index += 1) {
      await publisher.publish({ topic, qos: 1 + (index % 2), payload: `${index}` });
    }
    const received = await takePublishes(subscriber, 3);
    // At quota zero everything else goes on: PINGRESP and QoS 0 come [MQTT-3.3.4-10]
    // [MQTT-4.9.0-3].
    await subscriber.expectQuiet();
    await expectNothingBefore(subscriber, publisher, bench.topic("qos0"));
    for (let finished = 0; finished < 8; finished += 1) {
      await finish(subscriber, received[finished], received);
      assert.ok(received.length <= finished + 4, "more than three in flight");
    }
    assert.deepEqual(payloads(received), ["0", "1", "2", "3", "4", "5", "6", "7"]);
  },
);

suite.check(
  "receive maximum: the quota does not grow beyond it by surplus acknowledgements [MQTT-4.9.0-1]",
  async (bench) => {
    const topic = bench.topic("surplus");
    const subscriber = await bench.connect({ properties: [property.receiveMaximum(2)] });
    subscriber.autoAck = false;
    await subscriber.subscribe(topic, 1);
    await subscriber.subscribe(bench.topic("qos0"), 0);
    for (let packetId = 500; packetId < 510; packetId += 1) {
      subscriber.send(packets.puback({ packetId }));
    }
    await subscriber.expectQuiet();
    const publisher = await bench.connect();
    for (let index = 0; index < 6; index += 1) await publisher.publish({ topic, qos: 1 });
    await takePublishes(subscriber, 2);
    await expectNothingBefore(subscriber, publisher, bench.topic("qos0"));
  },
);

suite.check(
  "receive maximum: exceeding the server's ends the connection with 0x93 [MQTT-3.3.4-7]",
  async (bench) => {
    const client = await bench.connect();
    const maximum = client.connack?.properties.receiveMaximum ?? 65_535;
    for (let packetId = 1; packetId <= maximum; packetId += 1) {
      client.send(packets.publish({ topic: bench.topic("x"), qos: 2, packetId }));
    }
    for (let packetId = 1; packetId <= maximum; packetId += 1) await client.expect("pubrec");
    client.send(packets.publish({ topic: bench.topic("x"), qos: 2, packetId: maximum + 1 }));
    await client.expectFault(0x93);
  },
);

suite.check(
  "maximum packet size: a larger packet than the server's ends the connection [MQTT-3.2.2-15]",
  async (bench) => {
    const client = await bench.connect();
    const size = (client.connack?.properties.maximumPacketSize ?? 0x0fff_ffff) + 1;
    client.send(packets.concat(packets.u8(0x30), packets.varint(Math.min(size, 0x0fff_ffff))));
    if (size > 0x0fff_ffff) return;
    await client.expectFault(0x95, MALFORMED);
  },
);

suite.check(
  "connection: a client that resets during CONNECT leaves the server well [MQTT-3.1.4-1]",
  async (bench) => {
    for (let round = 0; round < 20; round += 1) {
      const client = await RawClient.open(bench.target);
      client.send(packets.connect({ clientId: bench.clientId("reset") }).subarray(0, 5 + round));
      client.destroy();
    }
    const client = await bench.connect({ clientId: bench.clientId("reset") });
    await until(() => !client.isClosed, "the connection to stay");
    await client.expectQuiet();
  },
);

/**
 * Acknowledges one message to its end; messages that come meanwhile, and the next one, are put to
 * `received`.
 */
async function finish(
  client: RawClient,
  message: PublishPacket | undefined,
  received: PublishPacket[],
): Promise<void> {
  const { qos, packetId } = message ?? assert.fail("a message is missing");
  client.send(qos === 1 ? packets.puback({ packetId }) : packets.pubrec({ packetId }));
  let isOpen = qos === 2;
  while (isOpen) {
    const packet = await client.next();
    if (packet?.type === "publish") received.push(packet);
    else if (packet?.type === "pubrel" && packet.packetId === packetId) isOpen = false;
    else assert.fail(`unexpected ${packet?.type}`);
  }
  if (qos === 2) client.send(packets.pubcomp({ packetId }));
  if (received.length < 8) received.push(await client.expect("publish"));
}
