/**
 * Stock clients against the broker: MQTT.js in both versions over TCP and WebSocket, mosquitto's
 * command line.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until, withDeadline } from "../helpers/deadline.ts";
import { MosquittoSub, mosquittoPub, skipWithoutMosquittoClients } from "../helpers/mosquitto.ts";
import { RawClient } from "../helpers/raw-client.ts";

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({
    config: {
      listeners: [
        { id: "tcp", protocol: "mqtt", host: "127.0.0.1", port: 0 },
        { id: "ws", protocol: "ws", host: "127.0.0.1", port: 0 },
      ],
    },
  });
  const announcer = await RawClient.connect({ port: broker.port }, { clientId: "announcer" });
  await announcer.publish({ topic: "stock/ready", payload: "you are ready", qos: 1, retain: true });
  announcer.destroy();
});
after(async () => {
  await broker.stop();
});

/**
 * The arguments of the next event `name`; MQTT.js types its events in a way that events.once does
 * not take.
 */
function nextEvent(client: MqttClient, name: "connect" | "message"): Promise<unknown[]> {
  return new Promise((resolve) => {
    client.once(name, (...args: unknown[]) => resolve(args));
  });
}

async function connected(url: string, options: IClientOptions): Promise<MqttClient> {
  const client = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: 4_000, ...options });
  await withDeadline(nextEvent(client, "connect"), "MQTT.js to connect");
  return client;
}

const TRANSPORTS = ["mqtt", "ws"] as const;

function urlOf(transport: (typeof TRANSPORTS)[number]): string {
  const port = broker.portOf(transport === "mqtt" ? "tcp" : "ws");
  return `${transport}://127.0.0.1:${port}${transport === "ws" ? "/mqtt" : ""}`;
}

for (const transport of TRANSPORTS) {
  for (const protocolVersion of [4, 5] as const) {
    test(`MQTT.js: QoS 0, 1 and 2 round trips, version ${protocolVersion} over ${transport} [MQTT-4.3.1-1]`, async (context) => {
      const subscriber = await connected(urlOf(transport), { protocolVersion });
      const publisher = await connected(urlOf(transport), { protocolVersion });
      context.after(() => {
        subscriber.end(true);
        publisher.end(true);
      });
      const received: string[] = [];
      subscriber.on("message", (topic, payload, packet) => {
        received.push(`${topic} ${payload.toString()} ${packet.qos}`);
      });
      const base = `js/${transport}/${protocolVersion}`;
      await subscriber.subscribeAsync(`${base}/#`, { qos: 2 });
      for (const qos of [0, 1, 2] as const) {
        await publisher.publishAsync(`${base}/${qos}`, `hello ${qos}`, { qos });
        await until(() => received.length === qos + 1, "the message");
      }
      assert.deepEqual(
        received,
        [0, 1, 2].map((qos) => `${base}/${qos} hello ${qos} ${qos}`),
      );
      await subscriber.unsubscribeAsync(`${base}/#`);
      await publisher.publishAsync(`${base}/x`, "late", { qos: 1 });
      await subscriber.endAsync();
      assert.equal(received.length, 3);
    });
  }
}

test("MQTT.js: MQTT 5 properties, retained message, will, session [MQTT5 §3]", async (context) => {
  const url = urlOf("mqtt");
  const watcher = await connected(url, { protocolVersion: 5 });
  const options: IClientOptions = {
    protocolVersion: 5,
    clientId: "js-device",
    clean: false,
    properties: { sessionExpiryInterval: 60 },
    will: { topic: "js/status", payload: Buffer.from("offline"), qos: 1, retain: true },
  };
  const device = await connected(url, options);
  context.after(() => {
    watcher.end(true);
    device.end(true);
  });
  await device.subscribeAsync("js/command", { qos: 1 });
  const seen: string[] = [];
  watcher.on("message", (topic, payload, packet) => {
    const user = packet.properties?.userProperties ?? {};
    seen.push(`${topic} ${payload.toString()} ${packet.retain} ${JSON.stringify(user)}`);
  });
  await watcher.subscribeAsync("js/status", { qos: 1 });
  const properties = { userProperties: { unit: "C" }, contentType: "text/plain" };
  await device.publishAsync("js/status", "online", { qos: 1, retain: true, properties });
  await until(() => seen.length === 1, "the status");
  device.stream.destroy();
  await until(() => seen.length === 2, "the will");
  assert.deepEqual(seen, ['js/status online false {"unit":"C"}', "js/status offline false {}"]);
  await watcher.publishAsync("js/command", "reboot", { qos: 1 });
  const again = mqtt.connect(url, { ...options, reconnectPeriod: 0 });
  context.after(() => again.end(true));
  const command = nextEvent(again, "message");
  const [connack] = await withDeadline(nextEvent(again, "connect"), "the device to return");
  assert.equal((connack as { sessionPresent: boolean }).sessionPresent, true);
  const [topic, payload] = await withDeadline(command, "the stored command");
  assert.equal(`${topic} ${payload}`, "js/command reboot");
});

/**
 * A retained message that tells when mosquitto_sub is subscribed: its own output about that is
 * buffered.
 */
const READY = ["-t", "stock/ready"];

async function subscribed(sub: MosquittoSub): Promise<void> {
  await until(() => sub.lines.some((line) => line.endsWith("are ready")), "mosquitto_sub");
}

for (const version of ["mqttv31", "mqttv311", "mqttv5"]) {
  test(`mosquitto_pub and mosquitto_sub: round trips at every QoS, ${version} [MQTT-4.3.1-1]`, {
    skip: skipWithoutMosquittoClients,
  }, async (context) => {
    const topic = `stock/${version}`;
    const sub = new MosquittoSub(broker.port, [
      "-V",
      version,
      "-t",
      `${topic}/#`,
      "-q",
      "2",
      "-F",
      "%t %q %p",
      ...READY,
    ]);
    context.after(() => sub.stop());
    await subscribed(sub);
    for (const qos of ["0", "1", "2"]) {
      const args = ["-V", version, "-t", `${topic}/${qos}`, "-m", `payload ${qos}`, "-q", qos];
      assert.equal((await mosquittoPub(broker.port, args)).code, 0);
    }
    const messages = () => sub.lines.filter((line) => line.startsWith(`${topic}/`));
    await until(() => messages().length === 3, "three messages");
    assert.deepEqual(
      messages(),
      ["0", "1", "2"].map((qos) => `${topic}/${qos} ${qos} payload ${qos}`),
    );
  });
}

test("mosquitto_pub: a thousand lines from stdin arrive in order [MQTT-4.6.0-5]", {
  skip: skipWithoutMosquittoClients,
}, async (context) => {
  const sub = new MosquittoSub(broker.port, ["-t", "stock/lines", "-q", "1", ...READY]);
  context.after(() => sub.stop());
  await subscribed(sub);
  const lines = Array.from({ length: 1000 }, (_none, index) => `line-${index}`);
  const args = ["-t", "stock/lines", "-l", "-q", "1"];
  assert.equal((await mosquittoPub(broker.port, args, `${lines.join("\n")}\n`)).code, 0);
  const received = () => sub.lines.filter((line) => line.startsWith("line-"));
  await until(() => received().length === 1000, "a thousand lines");
  assert.deepEqual(received(), lines);
});

test("mosquitto_sub: retained message and -C 1 end by themselves [MQTT-3.3.1-9]", {
  skip: skipWithoutMosquittoClients,
}, async () => {
  await mosquittoPub(broker.port, ["-t", "stock/kept", "-m", "kept", "-r", "-q", "1"]);
  const sub = new MosquittoSub(broker.port, ["-t", "stock/kept", "-C", "1"]);
  assert.equal((await withDeadline(sub.exited, "mosquitto_sub to end")).code, 0);
  assert.deepEqual(sub.lines, ["kept"]);
});
