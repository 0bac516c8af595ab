/** Garbage from many connections at once: none of it stays, and ordinary clients notice nothing. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const FLOODERS = 300;
const AT_ONCE = 30;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 2 });
});
after(async () => {
  await broker.stop();
});

/** Deterministic bytes: the test is the same every time. */
function noise(seed: number, size: number): Uint8Array {
  let state = seed * 2_654_435_761 + 1;
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
}

/** What the flooders open with: nothing, a legal CONNECT, HTTP, TLS. */
const OPENINGS: readonly ((index: number) => Uint8Array)[] = [
  () => new Uint8Array(0),
  (index) => packets.connect({ clientId: `flood-${index}` }),
  () => packets.utf8("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  () => packets.bytes(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03),
  (index) => packets.connect({ level: 4, clientId: `flood-${index}` }),
];

async function flood(index: number): Promise<void> {
  const client = await RawClient.open({ port: broker.port });
  const opening = OPENINGS[index % OPENINGS.length];
  assert.ok(opening);
  // Control packet types stay plausible, so that more than the first byte is looked at.
  const bytes = noise(index, 3_000);
  bytes[0] = ((bytes[0] ?? 0) & 0xf0) | 0x02;
  client.send(opening(index), bytes);
  await new Promise((resolve) => setImmediate(resolve));
  client.destroy();
  await client.closed;
}

test("garbage: hundreds of connections with noise, a witness pair misses nothing [MQTT-4.13.1-1]", {
  timeout: 30_000,
}, async () => {
  const target = { port: broker.port };
  const listener = await RawClient.connect(target, { clientId: "witness-in" });
  await listener.subscribe("witness", 1);
  const speaker = await RawClient.connect(target, { clientId: "witness-out" });
  let spoken = 0;
  for (let first = 0; first < FLOODERS; first += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, (_none, index) => flood(first + index));
    await speaker.publish({ topic: "witness", qos: 1, payload: `${spoken}` });
    await listener.expectPublish(`${spoken}`);
    spoken += 1;
    await Promise.all(batch);
  }
  await until(
    async () => (await broker.metric("ratatosk_mqtt_connections")) === 2,
    "all but the witnesses to be gone",
  );
  assert.equal(broker.countOf("worker_died"), 0);
  assert.ok((await broker.metric("ratatosk_mqtt_protocol_errors_total")) > 0);
  await listener.expectQuiet();
  listener.destroy();
  speaker.destroy();
});
