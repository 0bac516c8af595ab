/** MQTT 5 chapter 3.1.2.5, 3.1.3.2: will messages. */

import assert from "node:assert/strict";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { expectNothingBefore } from "./expect.ts";
import { type Bench, conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

/** A subscriber of everything of this case, at QoS 2. */
async function watcherOf(bench: Bench) {
  const watcher = await bench.connect();
  await watcher.subscribe([{ filter: bench.topic("#"), qos: 2, retainAsPublished: true }]);
  return watcher;
}

for (const level of [3, 4, 5] as const) {
  suite.check(
    `will: published when the connection breaks, MQTT level ${level} [MQTT-3.1.2-8] [MQTT-3.1.2-7]`,
    async (bench) => {
      const watcher = await watcherOf(bench);
      for (const qos of [0, 1, 2]) {
        const will = { topic: bench.topic("w"), payload: `gone ${qos}`, qos };
        const client = await bench.connect({ level, will });
        client.destroy();
        const message = await watcher.expectPublish(`gone ${qos}`);
        assert.equal(message.qos, qos);
        assert.equal(message.retain, false, "Will Retain 0 [MQTT-3.1.2-14]");
      }
    },
  );

  suite.check(
    `will: dropped after DISCONNECT 0x00, MQTT level ${level} [MQTT-3.14.4-3] [MQTT-3.1.2-10]`,
    async (bench) => {
      const watcher = await watcherOf(bench);
      const client = await bench.connect({ level, will: { topic: bench.topic("w") } });
      await client.disconnect();
      await expectNothingBefore(watcher, await bench.connect(), bench.topic("barrier"));
    },
  );
}

suite.check("will: published after a protocol error [MQTT-3.1.2-8]", async (bench) => {
  const watcher = await watcherOf(bench);
  const client = await bench.connect({ will: { topic: bench.topic("w"), payload: "error" } });
  client.send(packets.bytes(0x00, 0x00));
  await watcher.expectPublish("error");
});

suite.check("will: published on request by DISCONNECT 0x04 [MQTT5 §3.14.2.1]", async (bench) => {
  const watcher = await watcherOf(bench);
  const client = await bench.connect({ will: { topic: bench.topic("w"), payload: "asked" } });
  client.send(packets.disconnect(0x04));
  await client.expectClose();
  await watcher.expectPublish("asked");
});

suite.check("will: Will Retain 1 stores it [MQTT-3.1.2-15]", async (bench) => {
  const will = { topic: bench.topic("w"), payload: "kept", retain: true };
  const watcher = await watcherOf(bench);
  const client = await bench.connect({ will });
  client.destroy();
  await watcher.expectPublish("kept");
  const late = await bench.connect();
  await late.subscribe(bench.topic("w"));
  assert.equal((await late.expectPublish("kept")).retain, true);
});

suite.check(
  "will: its properties are forwarded, user properties in order [MQTT-3.1.3-10]",
  async (bench) => {
    const watcher = await watcherOf(bench);
    const client = await bench.connect({
      will: {
        topic: bench.topic("w"),
        payload: "text",
        properties: [
          property.user("a", "1"),
          property.payloadFormat(1),
          property.user("b", "2"),
          property.contentType("text/plain"),
          property.responseTopic("answer/here"),
          property.correlationData("id"),
          property.user("a", "3"),
        ],
      },
    });
    client.destroy();
    const { properties } = await watcher.expectPublish("text");
    assert.deepEqual(properties.userProperties, [
      ["a", "1"],
      ["b", "2"],
      ["a", "3"],
    ]);
    assert.equal(properties.payloadFormat, 1);
    assert.equal(properties.contentType, "text/plain");
    assert.equal(properties.responseTopic, "answer/here");
    assert.equal(Buffer.from(properties.correlationData ?? []).toString(), "id");
  },
);

suite.check(
  "will delay: it waits that long while the session lives [MQTT-3.1.2-8]",
  async (bench) => {
    const watcher = await watcherOf(bench);
    const client = await bench.connect({
      will: { topic: bench.topic("w"), payload: "late", properties: [property.willDelay(1)] },
      properties: [property.sessionExpiry(60)],
    });
    const startMs = performance.now();
    client.destroy();
    await expectNothingBefore(watcher, await bench.connect(), bench.topic("barrier"));
    await watcher.expectPublish("late");
    assert.ok(performance.now() - startMs >= 900, "published before the delay was over");
  },
);

suite.check("will delay: a return in time suppresses the will [MQTT-3.1.3-9]", async (bench) => {
  const watcher = await watcherOf(bench);
  const clientId = bench.clientId("back");
  const will = { topic: bench.topic("w"), payload: "never", properties: [property.willDelay(1)] };
  const properties = [property.sessionExpiry(60)];
  const first = await bench.connect({ clientId, will, properties });
  first.destroy();
  await first.closed;
  const second = await bench.connect({ clientId, cleanStart: false, properties });
  assert.equal(second.connack?.sessionPresent, true);
  await new Promise((resolve) => setTimeout(resolve, 1_600));
  await expectNothingBefore(watcher, second, bench.topic("barrier"));
});

suite.check(
  "will delay: the end of the session publishes it early [MQTT-3.1.2-8]",
  async (bench) => {
    const watcher = await watcherOf(bench);
    const client = await bench.connect({
      will: { topic: bench.topic("w"), payload: "ended", properties: [property.willDelay(3_600)] },
      properties: [property.sessionExpiry(1)],
    });
    client.destroy();
    await watcher.expectPublish("ended");
  },
);

suite.check(
  "will delay: without session expiry the will comes at once [MQTT-3.1.2-8]",
  async (bench) => {
    const watcher = await watcherOf(bench);
    const client = await bench.connect({
      will: { topic: bench.topic("w"), payload: "now", properties: [property.willDelay(3_600)] },
    });
    client.destroy();
    await watcher.expectPublish("now");
  },
);

suite.check(
  "will delay: clean start ends the session and publishes the will [MQTT-3.1.2-8]",
  async (bench) => {
    const watcher = await watcherOf(bench);
    const clientId = bench.clientId("fresh");
    const first = await bench.connect({
      clientId,
      will: {
        topic: bench.topic("w"),
        payload: "discarded",
        properties: [property.willDelay(3_600)],
      },
      properties: [property.sessionExpiry(60)],
    });
    first.destroy();
    await first.closed;
    await bench.connect({ clientId, cleanStart: true });
    await watcher.expectPublish("discarded");
  },
);

suite.check("will: take-over publishes the old connection's will [MQTT-3.1.2-8]", async (bench) => {
  const watcher = await watcherOf(bench);
  const clientId = bench.clientId("twin");
  await bench.connect({ clientId, will: { topic: bench.topic("w"), payload: "taken" } });
  await bench.connect({ clientId });
  await watcher.expectPublish("taken");
});

suite.check("will: published once only [MQTT-3.1.2-10]", async (bench) => {
  const watcher = await watcherOf(bench);
  const clientId = bench.clientId("once");
  const properties = [property.sessionExpiry(60)];
  const client = await bench.connect({
    clientId,
    will: { topic: bench.topic("w"), payload: "once" },
    properties,
  });
  client.destroy();
  await watcher.expectPublish("once");
  const again = await bench.connect({ clientId, cleanStart: false, properties });
  again.destroy();
  await again.closed;
  await expectNothingBefore(watcher, await bench.connect(), bench.topic("barrier"));
});

suite.check(
  "will: message expiry is counted from its publication [MQTT5 §3.1.3.2.4]",
  async (bench) => {
    const watcher = await watcherOf(bench);
    const properties = [property.messageExpiry(100), property.willDelay(1)];
    const client = await bench.connect({
      will: { topic: bench.topic("w"), payload: "limited", properties },
      properties: [property.sessionExpiry(60)],
    });
    client.destroy();
    const message = await watcher.expectPublish("limited");
    assert.ok((message.properties.messageExpiry ?? 0) >= 99);
  },
);

suite.check("will: reaches clients on every worker [MQTT-3.1.2-8]", async (bench) => {
  const watchers = await Promise.all(Array.from({ length: 8 }, () => watcherOf(bench)));
  const client = await bench.connect({ will: { topic: bench.topic("w"), payload: "all", qos: 1 } });
  client.destroy();
  for (const watcher of watchers) await watcher.expectPublish("all");
  await until(() => client.isClosed, "the client to be gone");
});
