/** MQTT 5 chapters 4.7 and 4.8: topics, filters, shared subscriptions. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { hex, type RawClient } from "../helpers/raw-client.ts";
import {
  expectNothingBefore,
  MALFORMED,
  PROTOCOL_ERROR,
  payloads,
  takePublishes,
  takeTogether,
} from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

const FILTER_INVALID = 0x8f;

/**
 * Filter, topic, whether they match: the examples of the specification and the edges around them.
 */
const MATCHES: readonly (readonly [string, string, boolean])[] = [
  ["sport/tennis/player1/#", "sport/tennis/player1", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
  ["sport/tennis/player1/#", "sport/tennis/player10", false],
  ["sport/tennis/+", "sport/tennis/player1", true],
  ["sport/tennis/+", "sport/tennis/player1/ranking", false],
  ["sport/+", "sport", false],
  ["sport/+", "sport/", true],
  ["sport/#", "sport/", true],
  ["+/+", "/finance", true],
  ["/+", "/finance", true],
  ["+", "/finance", false],
  ["+", "finance", true],
  ["a//b", "a//b", true],
  ["a/+/b", "a//b", true],
  ["a/b", "a//b", false],
  ["a/b", "a/B", false],
  ["a/b", "a/b/", false],
  ["a/b/", "a/b/", true],
  ["/a", "a", false],
  [" a", "a", false],
  ["+/b/#", "a/b", true],
  ["+/b/#", "a/b/c/d", true],
  ["é", "e\u0301", false],
];

suite.check(
  "topics: filters match as specified [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-4]",
  async (bench) => {
    const publisher = await bench.connect();
    const client = await bench.connect();
    for (const [index, [filter, topic, isMatch]] of MATCHES.entries()) {
      const base = bench.topic(`${index}`);
      await client.subscribe([{ filter: `${base}/${filter}` }, { filter: `${base}-end` }]);
      publisher.send(packets.publish({ topic: `${base}/${topic}`, payload: `${filter} ${topic}` }));
      if (isMatch) await client.expectPublish(`${filter} ${topic}`);
      await expectNothingBefore(client, publisher, `${base}-end`);
      await client.unsubscribe(`${base}/${filter}`, `${base}-end`);
    }
  },
);

suite.check(
  "topics: filters that begin with a wildcard do not match $ topics [MQTT-4.7.2-1]",
  async (bench) => {
    const client = await bench.connect();
    const publisher = await bench.connect();
    await client.subscribe([{ filter: "#" }, { filter: `+/${bench.topic("x")}` }]);
    await publisher.publish({ topic: `$own/${bench.topic("x")}`, qos: 1 });
    publisher.send(packets.publish({ topic: bench.topic("end"), payload: "end" }));
    for (let packet = await client.expect("publish"); packet.topic !== bench.topic("end"); ) {
      assert.ok(!packet.topic.startsWith("$"), packet.topic);
      packet = await client.expect("publish");
    }
    const named = await bench.connect();
    await named.subscribe("$own/#");
    publisher.send(packets.publish({ topic: `$own/${bench.topic("x")}`, payload: "named" }));
    await named.expectPublish("named");
  },
);

suite.check("topics: a client cannot publish to $SYS [MQTT-4.7.2-1]", async (bench) => {
  const watcher = await bench.connect();
  await watcher.subscribe([{ filter: `$SYS/${bench.name}/#` }, { filter: bench.topic("end") }]);
  const client = await bench.connect();
  client.send(
    packets.publish({ topic: `$SYS/${bench.name}/x`, payload: "fake", qos: 1, packetId: 1 }),
  );
  const answer = await client.next();
  if (answer?.type === "puback") assert.equal(hex(answer.reasonCode), "0x87");
  else assert.ok(answer === null || answer.type === "disconnect");
  await expectNothingBefore(watcher, await bench.connect(), bench.topic("end"));
});

suite.check(
  "topics: up to the server's limit of levels and bytes [MQTT-4.7.3-3]",
  async (bench) => {
    const client = await bench.connect();
    const levels = bench.topic("l/".repeat(40));
    const long = bench.topic("x".repeat(1000));
    for (const topic of [levels, long]) {
      await client.subscribe(topic, 1);
      client.send(packets.publish({ topic, payload: "far" }));
      assert.equal((await client.expectPublish("far")).topic, topic);
    }
  },
);

suite.check(
  "topics: thousands of levels neither crash nor stall the server [MQTT-4.7.3-3]",
  async (bench) => {
    const witness = await bench.connect();
    const deep = "/".repeat(60_000);
    const publisher = await bench.connect();
    publisher.send(packets.publish({ topic: deep }));
    const subscriber = await bench.connect();
    subscriber.send(packets.subscribe({ filters: [{ filter: `+${"/+".repeat(30_000)}` }] }));
    await subscriber.next();
    await witness.expectQuiet();
  },
);

const BAD_SHARES = [
  "$share//a",
  "$share/g/",
  "$share/g+/a",
  "$share/g#/a",
  "$share/+/a",
  "$share/g",
  "$share/",
];

for (const filter of BAD_SHARES) {
  suite.check(
    `shared: filter "${filter}" is refused [MQTT-4.8.2-1] [MQTT-4.8.2-2]`,
    async (bench) => {
      const client = await bench.connect();
      client.send(packets.subscribe({ filters: [{ filter }] }));
      const answer = await client.next();
      if (answer === null) return;
      if (answer.type === "suback") assert.ok((answer.reasonCodes[0] ?? 0) >= 0x80);
      else
        assert.ok(
          answer.type === "disconnect" &&
            [FILTER_INVALID, MALFORMED, PROTOCOL_ERROR].includes(answer.reasonCode),
        );
    },
  );
}

async function shareMembers(
  connect: () => Promise<RawClient>,
  filter: string,
  qos: number,
  count: number,
): Promise<RawClient[]> {
  const members: RawClient[] = [];
  for (let index = 0; index < count; index += 1) {
    const member = await connect();
    await member.subscribe(filter, qos);
    members.push(member);
  }
  return members;
}

suite.check(
  "shared: each message goes to one member, and every member gets some [MQTT-4.8.2-1]",
  async (bench) => {
    const filter = `$share/g/${bench.topic("+")}`;
    const members = await shareMembers(() => bench.connect(), filter, 1, 4);
    const publisher = await bench.connect();
    for (let index = 0; index < 80; index += 1) {
      await publisher.publish({ topic: bench.topic("t"), qos: 1, payload: `${index}` });
    }
    const shares = await takeTogether(members, 80);
    assert.equal(new Set(shares.flat()).size, 80, "a message went to two members");
    assert.ok(shares.every((share) => share.length > 0));
  },
);

suite.check(
  "shared: two groups and a plain subscriber each get every message [MQTT-4.8.2-1]",
  async (bench) => {
    const topic = bench.topic("t");
    const first = await bench.connect();
    await first.subscribe(`$share/one/${topic}`, 1);
    const second = await bench.connect();
    await second.subscribe(`$share/two/${topic}`, 1);
    const plain = await bench.connect();
    await plain.subscribe(topic, 1);
    const publisher = await bench.connect();
    for (const payload of ["1", "2", "3"]) await publisher.publish({ topic, qos: 1, payload });
    for (const client of [first, second, plain]) {
      assert.deepEqual(payloads(await takePublishes(client, 3)), ["1", "2", "3"]);
    }
  },
);

suite.check(
  "shared: one client in a group and subscribed plainly gets both copies [MQTT5 §4.8.2]",
  async (bench) => {
    const topic = bench.topic("t");
    const client = await bench.connect();
    await client.subscribe(`$share/g/${topic}`, 1);
    await client.subscribe(topic, 1);
    const publisher = await bench.connect();
    await publisher.publish({ topic, qos: 1, payload: "x" });
    assert.deepEqual(payloads(await takePublishes(client, 2)), ["x", "x"]);
  },
);

suite.check("shared: the granted QoS of the chosen member counts [MQTT-4.8.2-3]", async (bench) => {
  const topic = bench.topic("t");
  const publisher = await bench.connect();
  for (const qos of [0, 1, 2]) {
    const member = await bench.connect();
    await member.subscribe(`$share/g${qos}/${topic}`, qos);
    await publisher.publish({ topic, qos: 2, payload: `${qos}` });
    assert.equal((await member.expectPublish(`${qos}`)).qos, qos);
    await member.disconnect();
  }
});

suite.check("shared: works for MQTT 3.1.1 clients [MQTT-4.8.2-1]", async (bench) => {
  const topic = bench.topic("t");
  const members = await shareMembers(() => bench.connect({ level: 4 }), `$share/g/${topic}`, 1, 2);
  const publisher = await bench.connect();
  for (let index = 0; index < 10; index += 1) {
    await publisher.publish({ topic, qos: 1, payload: `${index}` });
  }
  const shares = await takeTogether(members, 10);
  assert.equal(new Set(shares.flat()).size, 10);
});

suite.check(
  "shared: the subscription identifier of the share is delivered [MQTT-3.3.4-3]",
  async (bench) => {
    const topic = bench.topic("t");
    const member = await bench.connect();
    await member.subscribe(`$share/g/${topic}`, 1, [property.subscriptionIdentifier(33)]);
    const publisher = await bench.connect();
    await publisher.publish({ topic, qos: 1 });
    assert.deepEqual((await member.expect("publish")).properties.subscriptionIdentifiers, [33]);
  },
);

suite.check(
  "shared: unsubscribing one group leaves the others alone [MQTT-3.10.4-1]",
  async (bench) => {
    const topic = bench.topic("t");
    const client = await bench.connect();
    await client.subscribe(`$share/one/${topic}`, 1);
    await client.subscribe(`$share/two/${topic}`, 1);
    const unsuback = await client.unsubscribe(`$share/one/${topic}`);
    assert.deepEqual(unsuback.reasonCodes, [0]);
    const publisher = await bench.connect();
    await publisher.publish({ topic, qos: 1, payload: "two" });
    await client.expectPublish("two");
    await client.expectQuiet();
  },
);

suite.check(
  "shared: a QoS 2 delivery begun to one member is completed to it [MQTT-4.8.2-4]",
  async (bench) => {
    const topic = bench.topic("t");
    const session = {
      clientId: bench.clientId("m"),
      cleanStart: false,
      properties: [property.sessionExpiry(60)],
    };
    const member = await bench.connect(session);
    member.autoAck = false;
    await member.subscribe(`$share/g/${topic}`, 2);
    const publisher = await bench.connect();
    await publisher.publish({ topic, qos: 2, payload: "mine" });
    const { packetId } = await member.expectPublish("mine");
    member.send(packets.pubrec({ packetId }));
    await member.expect("pubrel");
    member.destroy();
    await member.closed;
    const other = await bench.connect();
    await other.subscribe(`$share/g/${topic}`, 2);
    const again = await bench.open();
    again.autoAck = false;
    again.send(packets.connect(session));
    await again.expect("connack");
    assert.equal((await again.expect("pubrel")).packetId, packetId);
    again.send(packets.pubcomp({ packetId }));
    await again.expectQuiet();
    await other.expectQuiet();
  },
);

suite.check(
  "shared: a negative acknowledgement gives the message to nobody else [MQTT-4.8.2-6]",
  async (bench) => {
    const topic = bench.topic("t");
    const filter = `$share/g/${topic}`;
    const member = await bench.connect();
    member.autoAck = false;
    await member.subscribe(filter, 2);
    const publisher = await bench.connect();
    await publisher.publish({ topic, qos: 1 });
    await publisher.publish({ topic, qos: 2 });
    const other = await bench.connect();
    await other.subscribe(filter, 2);
    const [first, second] = await takePublishes(member, 2);
    member.send(packets.puback({ packetId: first?.packetId ?? 0, reasonCode: 0x80 }));
    member.send(packets.pubrec({ packetId: second?.packetId ?? 0, reasonCode: 0x80 }));
    await member.expectQuiet();
    await other.expectQuiet();
  },
);
