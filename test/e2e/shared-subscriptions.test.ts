/**
 * Shared subscriptions across workers: fair over many members, and nothing is lost when one leaves.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";

const MEMBERS = 20;
const MESSAGES = 10_000;
const STRATEGIES = ["least_inflight", "round_robin"] as const;

async function members(broker: BrokerProcess, filter: string, qos: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let index = 0; index < MEMBERS; index += 1) {
    const client = await RawClient.connect(
      { port: broker.port },
      { clientId: `${filter} ${index}` },
    );
    await client.subscribe(filter, qos);
    clients.push(client);
  }
  return clients;
}

function takePayloads(client: RawClient): string[] {
  return client
    .takeReceived()
    .flatMap((packet) => (packet.type === "publish" ? [textOf(packet.payload)] : []));
}

/** Publishes at QoS 1 from several connections, each with one message in flight. */
async function publishAll(broker: BrokerProcess, topic: string): Promise<void> {
  const publishers = await Promise.all(
    Array.from({ length: 8 }, (_none, index) =>
      RawClient.connect({ port: broker.port }, { clientId: `${topic} publisher ${index}` }),
    ),
  );
  await Promise.all(
    publishers.map(async (publisher, index) => {
      for (let number = 0; number < MESSAGES / publishers.length; number += 1) {
        await publisher.publish({ topic, qos: 1, payload: `${index}-${number}` });
      }
      await publisher.disconnect();
    }),
  );
}

for (const strategy of STRATEGIES) {
  test(`shared: ${strategy}: fair within 10 % over ${MEMBERS} members on 4 workers [MQTT-4.8.2-1]`, {
    timeout: 30_000,
  }, async (context) => {
    const broker = await startBroker({
      workers: 4,
      config: { shared_subscription_strategy: strategy },
    });
    context.after(() => broker.stop());
    const clients = await members(broker, "$share/fair/work", 1);
    await publishAll(broker, "work");
    const shares = clients.map(() => [] as string[]);
    const collect = () => {
      for (const [index, client] of clients.entries()) shares[index]?.push(...takePayloads(client));
      return shares.flat().length;
    };
    await until(() => collect() >= MESSAGES, "all messages", 10_000);
    assert.equal(new Set(shares.flat()).size, MESSAGES, "each message once");
    const fair = MESSAGES / MEMBERS;
    for (const share of shares) {
      const counts = shares.map((own) => own.length).join(" ");
      assert.ok(Math.abs(share.length - fair) <= fair * 0.1, `shares: ${counts}`);
    }
    for (const client of clients) client.destroy();
  });
}

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 4 });
});
after(async () => {
  await broker.stop();
});

test("shared: random: every message once, every member some [MQTT-4.8.2-1]", {
  timeout: 30_000,
}, async (context) => {
  const random = await startBroker({ config: { shared_subscription_strategy: "random" } });
  context.after(() => random.stop());
  const clients = await members(random, "$share/random/work", 1);
  await publishAll(random, "work");
  const received: string[] = [];
  const counts = clients.map(() => 0);
  const collect = () => {
    for (const [index, client] of clients.entries()) {
      const own = takePayloads(client);
      received.push(...own);
      counts[index] = (counts[index] ?? 0) + own.length;
    }
    return received.length;
  };
  await until(() => collect() >= MESSAGES, "all messages", 10_000);
  assert.equal(new Set(received).size, MESSAGES);
  assert.ok(counts.every((count) => count > 0));
  for (const client of clients) client.destroy();
});

test("shared: a member that leaves hands its unacknowledged messages to another [MQTT5 §4.8.2]", async () => {
  const target = { port: broker.port };
  for (let round = 0; round < 6; round += 1) {
    const topic = `handover/${round}`;
    const leaver = await RawClient.connect(target, { clientId: `leaver ${round}` });
    leaver.autoAck = false;
    await leaver.subscribe(`$share/g/${topic}`, 1);
    const publisher = await RawClient.connect(target, { clientId: `giver ${round}` });
    for (let number = 0; number < 10; number += 1) {
      await publisher.publish({ topic, qos: 1, payload: `${number}` });
    }
    for (let number = 0; number < 10; number += 1) await leaver.expectPublish(`${number}`);
    const heir = await RawClient.connect(target, { clientId: `heir ${round}` });
    await heir.subscribe(`$share/g/${topic}`, 1);
    leaver.destroy();
    const inherited = new Set<string>();
    while (inherited.size < 10) inherited.add(textOf((await heir.expect("publish")).payload));
    assert.deepEqual([...inherited], ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    heir.destroy();
    publisher.destroy();
  }
});

test("shared: QoS 2 begun with a member whose session ends goes to nobody else [MQTT-4.8.2-5]", async () => {
  const target = { port: broker.port };
  const leaver = await RawClient.connect(target, { clientId: "begun" });
  leaver.autoAck = false;
  await leaver.subscribe("$share/two/begun", 2);
  const publisher = await RawClient.connect(target, { clientId: "begun giver" });
  await publisher.publish({ topic: "begun", qos: 2, payload: "begun" });
  const { packetId } = await leaver.expectPublish("begun");
  leaver.send(packets.pubrec({ packetId }));
  await leaver.expect("pubrel");
  const other = await RawClient.connect(target, { clientId: "begun other" });
  await other.subscribe("$share/two/begun", 2);
  leaver.destroy();
  await leaver.closed;
  await until(
    async () => (await broker.metric("ratatosk_mqtt_sessions_connected")) <= 2,
    "the member's session to end",
  );
  await publisher.publish({ topic: "begun", qos: 2, payload: "next" });
  await other.expectPublish("next");
  other.destroy();
  publisher.destroy();
});

test("shared: with nobody online the message waits for the persistent member [MQTT-4.5.0-1]", async () => {
  const target = { port: broker.port };
  const session = {
    clientId: "shift worker",
    cleanStart: false,
    properties: [packets.property.sessionExpiry(60)],
  };
  const member = await RawClient.connect(target, session);
  await member.subscribe("$share/night/shift", 1);
  await member.disconnect();
  const publisher = await RawClient.connect(target, { clientId: "boss" });
  for (const payload of ["1", "2", "3"])
    await publisher.publish({ topic: "shift", qos: 1, payload });
  const back = await RawClient.connect(target, session);
  for (const payload of ["1", "2", "3"]) await back.expectPublish(payload);
  back.destroy();
  publisher.destroy();
});

test("shared: $oshare gives one publisher's messages to one member, in order [MQTT-4.6.0-5]", async () => {
  const target = { port: broker.port };
  const clients: RawClient[] = [];
  for (let index = 0; index < 5; index += 1) {
    const client = await RawClient.connect(target, { clientId: `ordered ${index}` });
    await client.subscribe("$oshare/g/ordered", 1);
    clients.push(client);
  }
  const publisher = await RawClient.connect(target, { clientId: "sticky" });
  const expected: string[] = [];
  for (let number = 0; number < 100; number += 1) {
    expected.push(`${number}`);
    await publisher.publish({ topic: "ordered", qos: 1, payload: `${number}` });
  }
  const shares = clients.map(() => [] as string[]);
  const collect = () => {
    for (const [index, client] of clients.entries()) shares[index]?.push(...takePayloads(client));
    return shares.flat().length;
  };
  await until(() => collect() >= 100, "all messages");
  assert.deepEqual(
    shares.filter((share) => share.length > 0),
    [expected],
  );
  for (const client of [...clients, publisher]) client.destroy();
});
