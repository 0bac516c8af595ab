/** MQTT 5 chapter 6: MQTT over WebSocket. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { WebSocket } from "ws";
import { withDeadline } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { ServerPacketReader } from "../helpers/server-packets.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite({
  config: {
    listeners: [
      { id: "tcp", protocol: "mqtt", host: "127.0.0.1", port: 0 },
      { id: "ws", protocol: "ws", host: "127.0.0.1", port: 0 },
    ],
  },
});

function socketOf(subprotocols: string[] = ["mqtt"], path = "/mqtt"): WebSocket {
  const url = `ws://127.0.0.1:${suite.broker.portOf("ws")}${path}`;
  return new WebSocket(url, subprotocols, { perMessageDeflate: false });
}

async function open(socket: WebSocket): Promise<WebSocket> {
  await withDeadline(once(socket, "open"), "the WebSocket to open");
  return socket;
}

suite.check("WebSocket: a client talks to a TCP client [MQTT-6.0.0-1]", async (bench) => {
  const target = { port: suite.broker.portOf("ws"), transport: "ws" } as const;
  for (const level of [3, 4, 5] as const) {
    const overWs = await bench.connect({ level }, target);
    const overTcp = await bench.connect({ level });
    await overWs.subscribe(bench.topic("to-ws"), 2);
    await overTcp.subscribe(bench.topic("to-tcp"), 2);
    await overTcp.publish({ topic: bench.topic("to-ws"), qos: 2, payload: "there" });
    await overWs.expectPublish("there");
    await overWs.publish({ topic: bench.topic("to-tcp"), qos: 1, payload: "and back" });
    await overTcp.expectPublish("and back");
  }
});

suite.check("WebSocket: large messages pass whole [MQTT-6.0.0-2]", async (bench) => {
  const target = { port: suite.broker.portOf("ws"), transport: "ws" } as const;
  const client = await bench.connect({}, target);
  await client.subscribe(bench.topic("large"), 1);
  const payload = Buffer.alloc(700_000, "0123456789");
  client.send(packets.publish({ topic: bench.topic("large"), payload }));
  assert.ok(payload.equals((await client.expect("publish")).payload));
});

suite.check("WebSocket: packets span frames and share frames [MQTT-6.0.0-2]", async (bench) => {
  const socket = await open(socketOf());
  const reader = new ServerPacketReader(5);
  const names: string[] = [];
  const done = new Promise<void>((resolve) => {
    socket.on("message", (chunk: Buffer) => {
      names.push(...reader.push(chunk).map((packet) => packet.type));
      if (names.length >= 5) resolve();
    });
  });
  const connect = packets.connect({ clientId: bench.clientId("frames") });
  for (const byte of connect) socket.send(packets.bytes(byte));
  const filters = [{ filter: bench.topic("a") }];
  const rest = packets.concat(
    packets.subscribe({ filters }),
    packets.publish({ topic: bench.topic("a"), payload: "x" }),
    packets.publish({ topic: bench.topic("b"), payload: "x", qos: 1 }),
    packets.pingreq(),
  );
  socket.send(rest.subarray(0, rest.length - 1));
  socket.send(rest.subarray(rest.length - 1));
  await withDeadline(done, "five answers");
  assert.deepEqual(names.slice(0, 2), ["connack", "suback"]);
  assert.deepEqual(names.slice(2).sort(), ["pingresp", "puback", "publish"]);
  socket.terminate();
});

suite.check("WebSocket: a text frame closes the connection [MQTT-6.0.0-1]", async (bench) => {
  const socket = await open(socketOf());
  socket.send(packets.connect({ clientId: bench.clientId("text") }));
  await withDeadline(once(socket, "message"), "CONNACK");
  socket.send("text");
  await withDeadline(once(socket, "close"), "the close");
});

suite.check(
  "WebSocket: the server selects the subprotocol offered [MQTT-6.0.0-3] [MQTT-6.0.0-4]",
  async () => {
    for (const offered of [["mqtt"], ["mqttv3.1"], ["other", "mqtt"]]) {
      const socket = await open(socketOf(offered));
      assert.ok(offered.includes(socket.protocol) && socket.protocol.startsWith("mqtt"));
      socket.terminate();
    }
  },
);

suite.check(
  "WebSocket: an upgrade without an MQTT subprotocol is refused [MQTT-6.0.0-3]",
  async () => {
    for (const offered of [[], ["chat"]]) {
      assert.ok((await refusedStatus(socketOf(offered))) >= 400);
    }
  },
);

suite.check("WebSocket: another path is refused with 404 [MQTT5 §6]", async () => {
  assert.equal(await refusedStatus(socketOf(["mqtt"], "/other")), 404);
});

suite.check("WebSocket: a plain HTTP request is answered, not hung [MQTT5 §6]", async () => {
  const status = new Promise<number>((resolve, reject) => {
    const options = { port: suite.broker.portOf("ws"), path: "/mqtt", host: "127.0.0.1" };
    const call = request(options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on("error", reject);
    call.end();
  });
  assert.ok((await withDeadline(status, "an HTTP answer")) >= 400);
});

suite.check("WebSocket: a ping frame is answered [RFC6455 §5.5.2]", async () => {
  const socket = await open(socketOf());
  socket.ping("alive");
  const [content] = await withDeadline(once(socket, "pong"), "a pong");
  assert.equal(String(content), "alive");
  socket.terminate();
});

suite.check(
  "WebSocket: malformed MQTT closes with the WebSocket closed too [MQTT-4.13.1-1]",
  async (bench) => {
    const target = { port: suite.broker.portOf("ws"), transport: "ws" } as const;
    const client = await bench.connect({}, target);
    client.send(packets.bytes(0x00, 0x00));
    await client.expectFault(0x81, 0x82);
  },
);

async function refusedStatus(socket: WebSocket): Promise<number> {
  const status = new Promise<number>((resolve) => {
    socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
    socket.on("open", () => resolve(101));
    socket.on("error", () => {});
  });
  const code = await withDeadline(status, "the upgrade to be refused");
  socket.terminate();
  return code;
}
