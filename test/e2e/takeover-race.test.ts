/**
 * Session take-over under race: two connections with one client identifier arrive at the same
 * moment, on the same or on different workers. One survives, and a QoS 2 flow across hundreds of
 * take-overs loses and doubles nothing.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { type PublishPacket, RawClient, textOf } from "../helpers/raw-client.ts";

const SESSION_TAKEN_OVER = 0x8e;
/** For a CONNECT overtaken before its CONNACK, which cannot say 0x8E [MQTT-3.2.2-8]. */
const SERVER_BUSY = 0x89;
const RACES = 300;
const TAKE_OVERS = 200;
const MESSAGES = 800;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 4 });
});
after(async () => {
  await broker.stop();
});

async function race(clientId: string, fields: packets.ConnectFields): Promise<void> {
  const target = { port: broker.port };
  const rivals = await Promise.all([RawClient.open(target), RawClient.open(target)]);
  for (const rival of rivals) rival.send(packets.connect({ ...fields, clientId }));
  await until(() => rivals.some((rival) => rival.isClosed), "one of two rivals to be closed");
  const survivors = rivals.filter((rival) => !rival.isClosed);
  assert.equal(survivors.length, 1, "exactly one survives");
  const [survivor] = survivors;
  assert.equal((await survivor?.expect("connack"))?.reasonCode, 0);
  await survivor?.expectQuiet();
  const loser = rivals.find((rival) => rival.isClosed);
  const reasons = (loser?.takeReceived() ?? []).flatMap((packet) =>
    "reasonCode" in packet && packet.reasonCode !== 0 ? [packet.reasonCode] : [],
  );
  assert.ok(
    reasons.every((code) => code === SESSION_TAKEN_OVER || code === SERVER_BUSY),
    `told ${reasons.join()}`,
  );
  survivor?.destroy();
}

test(`take-over: of two simultaneous CONNECTs one survives, ${RACES} times [MQTT-3.1.4-3]`, {
  timeout: 60_000,
}, async () => {
  for (let round = 0; round < RACES; round += 10) {
    const batch = Array.from({ length: 10 }, (_none, index) => race(`race-${round + index}`, {}));
    await Promise.all(batch);
  }
});

test("take-over: the same client identifier raced for over and over keeps one survivor [MQTT-3.1.4-3]", {
  timeout: 60_000,
}, async () => {
  const properties = [packets.property.sessionExpiry(60)];
  for (let round = 0; round < 100; round += 1) {
    await race("contested", { cleanStart: false, properties });
  }
});

test("take-over: nothing is left of the losers [MQTT-3.1.4-3]", async () => {
  const count = async () => broker.metric("ratatosk_mqtt_sessions_connected");
  await until(async () => (await count()) === 0, "all sessions to be gone");
  await until(
    async () => (await broker.metric("ratatosk_mqtt_connections")) === 0,
    "all connections to be gone",
  );
});

/** The receiving half of a client whose state outlives its connections, as MQTT demands of it. */
class ExactlyOnceReceiver {
  readonly payloads: string[] = [];
  current: RawClient | null = null;
  /** Packet identifiers between PUBLISH and PUBREL. */
  readonly #unreleased = new Set<number>();

  /** Handles what comes on `client` until another connection is the current one. */
  async serve(client: RawClient): Promise<void> {
    for (;;) {
      const packet = await client.next(20_000);
      if (packet === null || client !== this.current) return;
      if (packet.type === "publish") this.#takePublish(client, packet);
      else if (packet.type === "pubrel") {
        this.#unreleased.delete(packet.packetId);
        client.send(packets.pubcomp({ packetId: packet.packetId }));
      }
    }
  }

  #takePublish(client: RawClient, message: PublishPacket): void {
    const { packetId } = message;
    if (!this.#unreleased.has(packetId)) {
      this.#unreleased.add(packetId);
      this.payloads.push(textOf(message.payload));
    }
    client.send(packets.pubrec({ packetId }));
  }
}

test(`take-over: a QoS 2 flow through ${TAKE_OVERS} take-overs is neither lost nor doubled [MQTT-4.3.3-10] [MQTT-4.4.0-1]`, {
  timeout: 60_000,
}, async () => {
  const target = { port: broker.port };
  const properties = [packets.property.sessionExpiry(60), packets.property.receiveMaximum(20)];
  const receiver = new ExactlyOnceReceiver();
  const connect = async () => {
    const client = await RawClient.open(target, 5, "juggler");
    client.autoAck = false;
    client.send(packets.connect({ clientId: "juggler", cleanStart: false, properties }));
    assert.equal((await client.expect("connack")).reasonCode, 0);
    receiver.current = client;
    return client;
  };
  const first = await connect();
  await first.subscribe("juggle", 2);
  void receiver.serve(first);
  const publisher = await RawClient.connect(target, { clientId: "thrower" });
  const sending = (async () => {
    for (let number = 0; number < MESSAGES; number += 1) {
      await publisher.publish({ topic: "juggle", qos: 2, payload: `${number}` });
    }
  })();
  for (let round = 0; round < TAKE_OVERS; round += 1) {
    const client = await connect();
    void receiver.serve(client);
    const seen = receiver.payloads.length;
    const isDone = () => receiver.payloads.length >= Math.min(seen + 3, MESSAGES);
    await until(isDone, "messages on the new connection");
  }
  await sending;
  await until(() => receiver.payloads.length >= MESSAGES, "all messages");
  const expected = Array.from({ length: MESSAGES }, (_none, number) => `${number}`);
  assert.deepEqual(receiver.payloads, expected);
  receiver.current?.destroy();
  publisher.destroy();
});
