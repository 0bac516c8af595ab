/** Retained messages of a process that is killed: what was acknowledged is there again. */

import assert from "node:assert/strict";
import test from "node:test";
import type { BrokerProcess } from "../helpers/broker-process.ts";
import { dataFolder, startOver } from "../helpers/data-folder.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { type PublishPacket, RawClient, textOf } from "../helpers/raw-client.ts";

function connect({ port }: BrokerProcess, clientId: string): Promise<RawClient> {
  return RawClient.connect({ port }, { clientId });
}

/** Payloads by topic, of all retained messages below `prefix`. */
async function retained(
  broker: BrokerProcess,
  prefix: string,
  count: number,
): Promise<Map<string, string>> {
  const reader = await connect(broker, "reader");
  const found = new Map<string, string>();
  await reader.subscribe(`${prefix}/#`, 1);
  while (found.size < count) {
    const { topic, payload } = await reader.expect("publish");
    found.set(topic, textOf(payload));
  }
  await reader.expectQuiet();
  reader.destroy();
  return found;
}

test("retained messages: stored, replaced and cleared ones survive kill -9 [MQTT-3.3.1-5] [MQTT-3.3.1-6]", {
  timeout: 60_000,
}, async (t) => {
  const folder = dataFolder(t);
  let broker = await startOver(t, folder);
  const writer = await connect(broker, "writer");
  const put = (topic: string, payload: string, fields: Partial<packets.PublishFields> = {}) =>
    writer.publish({ topic, payload, qos: 1, retain: true, ...fields });
  for (let number = 0; number < 40; number++) await put(`kept/${number}`, `first ${number}`);
  for (let number = 0; number < 10; number++) await put(`kept/${number}`, `second ${number}`);
  for (let number = 10; number < 20; number++) await put(`kept/${number}`, "");
  writer.destroy();
  await broker.kill();
  // More workers than stores: the folder keeps as many stores as it was made with.
  broker = await startOver(t, folder, 3);
  const found = await retained(broker, "kept", 30);
  for (let number = 0; number < 40; number++) {
    const isCleared = number >= 10 && number < 20;
    const expected = isCleared ? undefined : `${number < 10 ? "second" : "first"} ${number}`;
    assert.equal(found.get(`kept/${number}`), expected);
  }
  assert.equal(await broker.stop(), 0);
  broker = await startOver(t, folder, 1);
  assert.equal(
    (await retained(broker, "kept", 30)).size,
    30,
    "and an orderly end, with one worker",
  );
});

test("retained messages: killed amid publishes, each topic has what was acknowledged last, or later", {
  timeout: 60_000,
}, async (t) => {
  const folder = dataFolder(t);
  const topics = 50;
  const acknowledged = new Array<number>(topics).fill(-1);
  let value = 0;
  for (let round = 0; round < 3; round++) {
    const broker = await startOver(t, folder);
    const writer = await connect(broker, "writer");
    const inFlight = new Map<number, number>();
    const target = value + 400 + 150 * round;
    let acks = 0;
    const pump = async () => {
      while (acks < target) {
        while (inFlight.size < 100) {
          value += 1;
          const packetId = writer.packetId();
          inFlight.set(packetId, value);
          const topic = `t/${value % topics}`;
          writer.send(
            packets.publish({ topic, payload: `${value}`, qos: 1, retain: true, packetId }),
          );
        }
        const { packetId } = await writer.expect("puback");
        const stored = inFlight.get(packetId)!;
        inFlight.delete(packetId);
        acknowledged[stored % topics] = stored;
        acks += 1;
      }
    };
    const pumping = pump().catch(() => {});
    await until(() => acks >= 400 + 150 * round, "acknowledgements", 20_000);
    await broker.kill();
    await pumping;
    writer.destroy();
  }
  const broker = await startOver(t, folder);
  const found = await retained(broker, "t", topics);
  for (const [topic, least] of acknowledged.entries()) {
    const payload = Number(found.get(`t/${topic}`));
    assert.ok(payload >= least && payload % topics === topic, `t/${topic}: ${payload} < ${least}`);
  }
});

test("retained messages: a stored session is handed the rest after kill -9 and a broken connection, each once", {
  timeout: 60_000,
}, async (t) => {
  const folder = dataFolder(t);
  let broker = await startOver(t, folder);
  const writer = await connect(broker, "writer");
  for (let number = 0; number < 300; number++) {
    const topic = `r/${number}`;
    await writer.publish({ topic, payload: `${number}`, qos: 2, retain: true });
  }
  writer.destroy();
  const received = new Set<string>();
  const resume = async () => {
    const properties = [packets.property.sessionExpiry(3600), packets.property.receiveMaximum(20)];
    const fields = { clientId: "kept", cleanStart: false, properties };
    return await RawClient.connect({ port: broker.port }, fields);
  };
  const note = ({ payload, dup }: PublishPacket) => {
    const text = textOf(payload);
    assert.ok(dup || !received.has(text), `${text} comes once`);
    received.add(text);
  };
  /** What it has been sent and answered when its connection ended. */
  const noteRest = async (client: RawClient) => {
    for (;;) {
      const packet = await client.next();
      if (packet === null) return;
      if (packet.type === "publish") note(packet);
    }
  };
  let client = await resume();
  client.autoAck = false;
  await client.subscribe("r/#", 2);
  await broker.kill();
  await noteRest(client);
  broker = await startOver(t, folder, 2);
  client = await resume();
  assert.equal(client.connack?.sessionPresent, true);
  while (received.size < 250) note(await client.expect("publish"));
  client.destroy();
  await noteRest(client);
  client = await resume();
  while (received.size < 300) note(await client.expect("publish"));
  await client.expectQuiet();
  client.destroy();
});
