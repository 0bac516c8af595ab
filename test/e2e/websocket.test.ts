/**
 * MQTT over WebSocket as stock clients use it, on every engine: large messages, early ones,
 * strangers.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import mqtt, { type MqttClient } from "mqtt";
import { WebSocket } from "ws";
import { loadUws } from "../../src/platform/uws-binding.ts";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { CertificateAuthority } from "../helpers/certs.ts";
import { withDeadline } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { ServerPacketReader } from "../helpers/server-packets.ts";

const authority = new CertificateAuthority();
const server = authority.issue({ commonName: "broker", altNames: ["localhost", "127.0.0.1"] });
const LOCAL = { host: "127.0.0.1", port: 0 };
const hasUws = loadUws() !== null;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({
    config: {
      listeners: [
        { id: "tcp", protocol: "mqtt", ...LOCAL },
        { id: "ws", protocol: "ws", ...LOCAL },
        { id: "wss", protocol: "wss", ...LOCAL, tls: { cert_file: "b.crt", key_file: "b.key" } },
        ...(hasUws ? [{ id: "uws", protocol: "ws", ...LOCAL, websocket_engine: "uws" }] : []),
      ],
    },
    files: { "b.crt": server.cert, "b.key": server.key },
  });
});
after(async () => {
  await broker.stop();
});

function urlOf(listener: string): string {
  const scheme = listener === "wss" ? "wss" : "ws";
  return `${scheme}://127.0.0.1:${broker.portOf(listener)}/mqtt`;
}

async function connected(listener: string): Promise<MqttClient> {
  const client = mqtt.connect(urlOf(listener), {
    protocolVersion: 5,
    reconnectPeriod: 0,
    ca: authority.cert,
  });
  const isOpen = new Promise((resolve) => client.once("connect", resolve));
  await withDeadline(isOpen, "MQTT.js to connect");
  return client;
}

for (const listener of ["ws", "wss", "uws"]) {
  test(`websocket (${listener}): MQTT.js sends and gets a message of 2 MiB [MQTT-6.0.0-2]`, {
    skip: listener === "uws" && !hasUws && "uWebSockets.js has no binary here",
  }, async (t) => {
    const client = await connected(listener);
    t.after(() => client.end(true));
    const payload = Buffer.alloc(2 * 1024 * 1024);
    for (let at = 0; at < payload.length; at += 1) payload[at] = (at * 7) >> 3;
    await client.subscribeAsync(`large/${listener}`, { qos: 1 });
    const arrived = new Promise<Buffer>((resolve) => {
      client.once("message", (_topic, message) => resolve(message));
    });
    await client.publishAsync(`large/${listener}`, payload, { qos: 1 });
    assert.ok(payload.equals(await withDeadline(arrived, "the message")));
  });
}

/** Opens a WebSocket and collects the names of the packets that come. */
async function openRaw(): Promise<{ socket: WebSocket; names: string[] }> {
  const socket = new WebSocket(urlOf("ws"), ["mqtt"], { perMessageDeflate: false });
  socket.on("error", () => {});
  await withDeadline(once(socket, "open"), "the WebSocket to open");
  const names: string[] = [];
  const reader = new ServerPacketReader(5);
  socket.on("message", (bytes: Buffer) => {
    names.push(...reader.push(bytes).map(({ type }) => type));
  });
  return { socket, names };
}

test("websocket: CONNECT and a large PUBLISH in one frame, before anybody is authenticated [MQTT-6.0.0-2]", async (t) => {
  const { socket, names } = await openRaw();
  t.after(() => socket.terminate());
  const payload = Buffer.alloc(1_000_000, "x");
  socket.send(
    packets.concat(
      packets.connect({ clientId: "eager" }),
      packets.publish({ topic: "eager", payload, qos: 1 }),
    ),
  );
  while (names.length < 2) await withDeadline(once(socket, "message"), "CONNACK and PUBACK");
  assert.deepEqual(names, ["connack", "puback"]);
});

test("websocket: a stranger with a CONNECT beyond the pre-authentication limit is cut off at its header", async (t) => {
  const { socket } = await openRaw();
  t.after(() => socket.terminate());
  const closed = once(socket, "close");
  // Fixed header of a CONNECT of 1,000,000 bytes; nothing else is ever sent.
  socket.send(Buffer.of(0x10, 0xc0, 0x84, 0x3d));
  await withDeadline(closed, "the close");
});
