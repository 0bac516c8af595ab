/**
 * Where MQTT 3.1 and 3.1.1 differ from MQTT 5. Statement ids are those of MQTT 3.1.1, marked MQTT3.
 */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { expectRefusal, payloads, takePublishes } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();

const IDENTIFIER_REJECTED = 0x02;
const SUBSCRIBE_FAILURE = 0x80;

suite.check("MQTT 3.1: MQIsdp with level 3 is accepted [MQTT3.1 §3.1]", async (bench) => {
  const client = await bench.connect({ level: 3 });
  await client.subscribe(bench.topic("a"), 1);
  await client.publish({ topic: bench.topic("b"), qos: 2 });
  client.send(packets.publish({ level: 3, topic: bench.topic("a"), payload: "old" }));
  await client.expectPublish("old");
});

suite.check("MQTT 3.1: CONNACK has no session present flag [MQTT3.1 §3.2]", async (bench) => {
  const session = { level: 3, clientId: bench.clientId("s"), cleanStart: false } as const;
  const first = await bench.connect(session);
  await first.disconnect();
  const second = await bench.connect(session);
  assert.equal(second.connack?.sessionPresent, false);
});

suite.check(
  "MQTT 3.1: a client identifier over 23 bytes is let in [MQTT3.1 §3.1]",
  async (bench) => {
    await bench.connect({ level: 3, clientId: bench.clientId("x".repeat(60)) });
  },
);

suite.check(
  "MQTT 3.1: an empty client identifier is refused with 0x02 [MQTT3.1 §3.1]",
  async (bench) => {
    const client = await bench.open(3);
    client.send(packets.connect({ level: 3, clientId: "" }));
    await expectRefusal(client, IDENTIFIER_REJECTED);
  },
);

suite.check(
  "MQTT 3.1.1: clean session 1 starts and leaves nothing [MQTT3-3.1.2-6] [MQTT3-3.2.2-1]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const first = await bench.connect({ level: 4, clientId });
    await first.subscribe(bench.topic("a"), 1);
    await first.disconnect();
    const publisher = await bench.connect({ level: 4 });
    await publisher.publish({ topic: bench.topic("a"), qos: 1 });
    const second = await bench.connect({ level: 4, clientId, cleanStart: false });
    assert.equal(second.connack?.sessionPresent, false);
    await second.expectQuiet();
  },
);

suite.check(
  "MQTT 3.1.1: clean session 0 keeps the session, session present says so [MQTT3-3.1.2-4] [MQTT3-3.2.2-2]",
  async (bench) => {
    const session = { level: 4, clientId: bench.clientId("s"), cleanStart: false } as const;
    const first = await bench.connect(session);
    assert.equal(first.connack?.sessionPresent, false);
    await first.subscribe(bench.topic("a"), 1);
    await first.disconnect();
    const publisher = await bench.connect({ level: 4 });
    for (const payload of ["1", "2", "3"])
      await publisher.publish({ topic: bench.topic("a"), qos: 1, payload });
    const second = await bench.connect(session);
    assert.equal(second.connack?.sessionPresent, true);
    assert.deepEqual(payloads(await takePublishes(second, 3)), ["1", "2", "3"]);
  },
);

suite.check(
  "MQTT 3.1.1: clean session 1 discards the stored session [MQTT3-3.1.2-6]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const first = await bench.connect({ level: 4, clientId, cleanStart: false });
    await first.disconnect();
    const second = await bench.connect({ level: 4, clientId, cleanStart: true });
    await second.disconnect();
    const third = await bench.connect({ level: 4, clientId, cleanStart: false });
    assert.equal(third.connack?.sessionPresent, false);
  },
);

suite.check(
  "MQTT 3.1.1: an empty client identifier needs clean session 1 [MQTT3-3.1.3-7] [MQTT3-3.1.3-8]",
  async (bench) => {
    const first = await bench.connect({ level: 4, clientId: "" });
    const second = await bench.connect({ level: 4, clientId: "" });
    await first.expectQuiet();
    await second.expectQuiet();
    const refused = await bench.open(4);
    refused.send(packets.connect({ level: 4, clientId: "", cleanStart: false }));
    await expectRefusal(refused, IDENTIFIER_REJECTED);
  },
);

suite.check("MQTT 3.1.1: a password needs a user name [MQTT3-3.1.2-22]", async (bench) => {
  const client = await bench.open(4);
  client.send(packets.connect({ level: 4, clientId: bench.clientId("p"), password: "x" }));
  await expectRefusal(client, 0x04, 0x05);
});

suite.check(
  "MQTT 3.1.1: an invalid filter fails with 0x80 or ends the connection [MQTT3-3.9.3-2]",
  async (bench) => {
    const client = await bench.connect({ level: 4 });
    client.send(packets.subscribe({ level: 4, filters: [{ filter: "a/#/b", qos: 1 }] }));
    const answer = await client.next();
    if (answer !== null) {
      assert.ok(answer.type === "suback");
      assert.deepEqual(answer.reasonCodes, [SUBSCRIBE_FAILURE]);
    }
  },
);

suite.check(
  "MQTT 3.1.1: its own messages come back to a publisher [MQTT3-3.3.5-1]",
  async (bench) => {
    const client = await bench.connect({ level: 4 });
    await client.subscribe(bench.topic("a"), 0);
    client.send(packets.publish({ level: 4, topic: bench.topic("a"), payload: "own" }));
    await client.expectPublish("own");
  },
);

suite.check(
  "MQTT 3.1.1: retained flag only on messages from store [MQTT3-3.3.1-8] [MQTT3-3.3.1-9]",
  async (bench) => {
    const live = await bench.connect({ level: 4 });
    await live.subscribe(bench.topic("a"), 1);
    const publisher = await bench.connect({ level: 4 });
    await publisher.publish({ topic: bench.topic("a"), qos: 1, payload: "x", retain: true });
    assert.equal((await live.expectPublish("x")).retain, false);
    const late = await bench.connect({ level: 4 });
    await late.subscribe(bench.topic("a"), 1);
    assert.equal((await late.expectPublish("x")).retain, true);
  },
);

suite.check("MQTT 3.1.1 and 5 clients talk to each other [MQTT5 §3.3]", async (bench) => {
  const topic = bench.topic("mixed");
  const clients = await Promise.all(([3, 4, 5] as const).map((level) => bench.connect({ level })));
  for (const client of clients) await client.subscribe(topic, 2);
  for (const [index, client] of clients.entries()) {
    client.send(packets.publish({ level: client.level, topic, payload: `${index}` }));
    for (const receiver of clients) await receiver.expectPublish(`${index}`);
  }
});
