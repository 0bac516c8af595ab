/**
 * SUBACK means subscribed: ten thousand times, a topic is subscribed on one connection and, right
 * after SUBACK, published to from another; none may be missed, whatever workers the two connections
 * are on.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const ROUNDS = 10_000;
/** Pairs of subscriber and publisher at work at once. */
const PAIRS = 40;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 4 });
});
after(async () => {
  await broker.stop();
});

async function runPair(pair: number, rounds: number): Promise<number> {
  const target = { port: broker.port };
  const subscriber = await RawClient.connect(target, { clientId: `subscriber-${pair}` });
  const publisher = await RawClient.connect(target, { clientId: `publisher-${pair}` });
  let received = 0;
  for (let round = 0; round < rounds; round += 1) {
    const topic = `suback/${pair}/${round}`;
    // Every shape of filter takes another way through the match index.
    const filter = [topic, `suback/${pair}/+`, `+/${pair}/${round}/#`][round % 3] ?? topic;
    await subscriber.subscribe(filter);
    publisher.send(packets.publish({ topic, payload: `${round}` }));
    await subscriber.expectPublish(`${round}`);
    await subscriber.unsubscribe(filter);
    received += 1;
  }
  subscriber.destroy();
  publisher.destroy();
  return received;
}

test(`SUBACK: ${ROUNDS} publishes right after it, over 4 workers, all arrive [MQTT-3.8.4-1]`, {
  timeout: 60_000,
}, async () => {
  const pairs = Array.from({ length: PAIRS }, (_none, pair) => runPair(pair, ROUNDS / PAIRS));
  const counts = await Promise.all(pairs);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    ROUNDS,
  );
});

test("SUBACK: the connections of this test were on several workers", async () => {
  const clients = await Promise.all(
    Array.from({ length: 40 }, (_none, index) =>
      RawClient.connect({ port: broker.port }, { clientId: `spread-${index}` }),
    ),
  );
  const perWorker = new Map<string, number>();
  for (const sample of await broker.metrics()) {
    if (sample.name !== "ratatosk_mqtt_connections") continue;
    const worker = sample.labels["worker"] ?? "";
    perWorker.set(worker, (perWorker.get(worker) ?? 0) + sample.value);
  }
  for (const client of clients) client.destroy();
  const used = [...perWorker.values()].filter((count) => count > 0);
  assert.ok(used.length >= 3, `connections by worker: ${JSON.stringify([...perWorker])}`);
});
