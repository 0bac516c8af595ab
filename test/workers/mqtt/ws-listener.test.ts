import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { loadUws } from "../../../src/platform/uws-binding.ts";
import type { ListenerConfig } from "../../../src/shared/config/config.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { WORD_CONNECTIONS } from "../../../src/shared/metrics/shared-words.ts";
import type { ListenerDeps } from "../../../src/workers/mqtt/listener.ts";
import { LIMITS, ListenerFixture, listenerConfig } from "./listener-fixture.ts";
import { TlsFiles } from "./tls-files.ts";

interface Variant {
  readonly name: string;
  readonly skip: boolean;
  readonly deps: Partial<ListenerDeps>;
  readonly config: Partial<ListenerConfig>;
  readonly isTls: boolean;
}

const STREAMS_ONLY: Partial<ListenerDeps> = { without: ["kernel-send", "shared-read-buffer"] };
const VARIANTS: readonly Variant[] = [
  { name: "builtin", skip: false, deps: {}, config: {}, isTls: false },
  { name: "builtin, streams only", skip: false, deps: STREAMS_ONLY, config: {}, isTls: false },
  { name: "builtin over TLS", skip: false, deps: {}, config: {}, isTls: true },
  {
    name: "uWebSockets.js",
    skip: loadUws() === null,
    deps: {},
    config: { websocketEngine: "uws" },
    isTls: false,
  },
];

interface Opened {
  readonly fixture: ListenerFixture;
  dial(path?: string, protocols?: string[], headers?: Record<string, string>): WebSocket;
}

async function open(
  t: TestContext,
  variant: Variant,
  config: Partial<ListenerConfig> = {},
  deps: Partial<ListenerDeps> = {},
): Promise<Opened> {
  const files = variant.isTls ? new TlsFiles(t) : null;
  const fixture = await ListenerFixture.open(
    {
      protocol: files === null ? "ws" : "wss",
      tls: files?.config() ?? null,
      ...variant.config,
      ...config,
    },
    { ...variant.deps, ...deps },
  );
  t.after(() => fixture.close());
  const scheme = files === null ? "ws" : "wss";
  return {
    fixture,
    dial(path = "/mqtt", protocols = ["mqtt"], headers = {}) {
      const url = `${scheme}://127.0.0.1:${fixture.port}${path}`;
      const ca = files === null ? {} : { ca: files.authority.cert, servername: "broker.test" };
      const webSocket = new WebSocket(url, protocols, { headers, ...ca });
      webSocket.on("error", () => {});
      t.after(() => webSocket.terminate());
      return webSocket;
    },
  };
}

async function refusalStatus(webSocket: WebSocket): Promise<number | undefined> {
  const [, response] = (await once(webSocket, "unexpected-response")) as [unknown, IncomingMessage];
  response.resume();
  return response.statusCode;
}

/** The socket below, for bytes that the client library would not send. */
function socketOf(webSocket: WebSocket): Socket {
  return (webSocket as unknown as { readonly _socket: Socket })._socket;
}

function closeCode(webSocket: WebSocket): Promise<number> {
  return new Promise((resolve) => webSocket.once("close", (code) => resolve(code)));
}

for (const variant of VARIANTS) {
  const { name, skip } = variant;

  test(`websocket (${name}): bytes both ways, subprotocol named [MQTT-6.0.0-4]`, {
    skip,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    assert.equal(webSocket.protocol, "mqtt");
    assert.equal(webSocket.extensions, "");
    const client = await fixture.accepted();
    assert.equal(client.transport.protocol, variant.isTls ? "wss" : "ws");
    assert.equal(client.transport.remoteAddress, "127.0.0.1");
    assert.equal(client.transport.isLoopback, true);
    assert.equal(client.transport.listenerId, "test-listener");
    webSocket.send(Buffer.from("up"));
    await fixture.until(() => client.received.toString() === "up");
    client.write(Buffer.from("do"));
    client.write(Buffer.from("wn"));
    const [message, isBinary] = (await once(webSocket, "message")) as [Buffer, boolean];
    assert.equal(isBinary, true);
    assert.equal(message.toString(), "down", "one duty cycle, one frame");
    assert.equal(fixture.counters[Counter.RECEIVED_BYTES], 2);
    assert.equal(fixture.counters[Counter.SENT_BYTES], 4);
    await fixture.until(() => fixture.pool.outstandingCount === 0);
  });

  test(`websocket (${name}): mqttv3.1 is echoed [MQTT-6.0.0-4]`, { skip }, async (t) => {
    const { dial } = await open(t, variant);
    const webSocket = dial("/mqtt", ["chat", "mqttv3.1"]);
    await once(webSocket, "open");
    assert.equal(webSocket.protocol, "mqttv3.1");
  });

  test(`websocket (${name}): wrong path 404, origin 403, subprotocol 400`, { skip }, async (t) => {
    const { fixture, dial } = await open(t, variant, { allowedOrigins: ["https://ok.test"] });
    assert.equal(await refusalStatus(dial("/other")), 404);
    assert.equal(await refusalStatus(dial("/mqtt/")), 404);
    assert.equal(await refusalStatus(dial("/mqtt", ["mqtt"], { origin: "https://no.test" })), 403);
    assert.equal(await refusalStatus(dial("/mqtt", ["chat"])), 400);
    assert.equal(await refusalStatus(dial("/mqtt", [])), 400);
    assert.equal(fixture.clients.length, 0);
    assert.equal(fixture.counters[Counter.HANDSHAKE_FAILURES], 5);
    await once(dial("/mqtt?query=1", ["mqtt"], { origin: "https://ok.test" }), "open");
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 1);
  });

  test(`websocket (${name}): a text frame closes the connection [MQTT-6.0.0-1]`, {
    skip,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    const code = closeCode(webSocket);
    webSocket.send("text");
    webSocket.send(Buffer.from("ignored"));
    assert.equal(await code, 1003);
    const client = await fixture.accepted();
    await fixture.until(() => client.closeCount === 1);
    assert.equal(client.received.length, 0);
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
  });

  test(`websocket (${name}): packets span fragments and share frames [MQTT-6.0.0-2]`, {
    skip,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    webSocket.send(Buffer.from("one "), { fin: false });
    webSocket.send(Buffer.from("two "), { fin: false });
    webSocket.ping("in between");
    webSocket.send(Buffer.from("three "), { fin: true });
    webSocket.send(Buffer.from("four"));
    const client = await fixture.accepted();
    await fixture.until(() => client.received.toString() === "one two three four");
    const [pong] = (await once(webSocket, "pong")) as [Buffer];
    assert.equal(pong.toString(), "in between");
  });

  test(`websocket (${name}): a stalled reader gets every byte in order, then drain`, {
    skip,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    webSocket.pause();
    const client = await fixture.accepted();
    // Over TLS the response to the upgrade is output that may have waited, too.
    await fixture.until(() => client.transport.bufferedBytes === 0);
    client.drainCount = 0;
    const size = 16 * 1024 * 1024;
    const bytes = Buffer.alloc(size);
    for (let index = 0; index < size; index += 1) bytes[index] = (index * 13) >> 4;
    for (let start = 0; start < size; start += 30_000) {
      client.write(bytes.subarray(start, start + 30_000));
    }
    client.transport.flush();
    assert.ok(client.transport.bufferedBytes + client.transport.output.size > 0);
    assert.equal(client.drainCount, 0);
    const parts: Buffer[] = [];
    let received = 0;
    webSocket.on("message", (message: Buffer) => {
      parts.push(message);
      received += message.length;
    });
    webSocket.resume();
    await fixture.until(() => received === size);
    assert.ok(Buffer.concat(parts).equals(bytes));
    await fixture.until(() => client.drainCount > 0);
    assert.equal(client.transport.bufferedBytes, 0);
    assert.equal(fixture.pool.outstandingCount, 0);
  });

  test(`websocket (${name}): close delivers what was written, then the close frame`, {
    skip,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    const client = await fixture.accepted();
    let received = 0;
    webSocket.on("message", (message: Buffer) => {
      received += message.length;
    });
    const code = closeCode(webSocket);
    client.write(Buffer.alloc(5_000_000, 1));
    client.transport.close();
    assert.equal(await code, 1000);
    assert.equal(received, 5_000_000);
    await fixture.until(() => client.closeCount === 1);
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
    assert.equal(fixture.pool.outstandingCount, 0);
  });

  test(`websocket (${name}): destroy drops everything and reports once`, { skip }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    webSocket.pause();
    const client = await fixture.accepted();
    client.write(Buffer.alloc(16 * 1024 * 1024));
    client.transport.flush();
    client.write(Buffer.alloc(10));
    client.transport.destroy();
    assert.equal(client.closeCount, 0, "never within the caller's own call");
    client.transport.destroy();
    client.transport.close();
    client.write(Buffer.alloc(10));
    client.transport.flush();
    await fixture.until(() => client.closeCount > 0);
    await fixture.close();
    assert.equal(client.closeCount, 1);
    assert.equal(fixture.pool.outstandingCount, 0);
    assert.equal(fixture.counters[Counter.CONNECTIONS], 0);
  });

  test(`websocket (${name}): paused reading loses nothing`, { skip }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    const client = await fixture.accepted();
    client.onBytes = () => {
      client.onBytes = () => {};
      client.transport.pauseReading();
    };
    let expected = "";
    for (let index = 0; index < 2000; index += 1) {
      webSocket.send(Buffer.from(`${index},`));
      expected += `${index},`;
    }
    await fixture.until(() => client.received.length > 0);
    const sent = once(webSocket, "pong");
    client.transport.resumeReading();
    webSocket.ping();
    await sent;
    await fixture.until(() => client.received.length === expected.length);
    assert.equal(client.received.toString(), expected);
  });

  test(`websocket (${name}): pings without end from a client that never reads fill no memory`, {
    skip,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    const client = await fixture.accepted();
    client.write(Buffer.from("no stranger any more"));
    await once(webSocket, "message");
    webSocket.pause();
    const ping = Buffer.alloc(125);
    for (let round = 0; round < 200; round += 1) {
      for (let index = 0; index < 600; index += 1) webSocket.ping(ping);
      await fixture.until(() => webSocket.bufferedAmount === 0);
    }
    webSocket.send(Buffer.from("done"));
    await fixture.until(() => client.received.toString() === "done");
    // 15 MB of pongs were owed; what the kernel did not take is bounded.
    assert.ok(client.transport.bufferedBytes <= 131_072, `${client.transport.bufferedBytes}`);
  });

  test(`websocket (${name}): a message beyond the largest packet ends the connection`, {
    skip,
  }, async (t) => {
    const limits = { ...LIMITS, maxPacketSize: 100_000 };
    const { fixture, dial } = await open(t, variant, {}, { limits });
    const webSocket = dial();
    await once(webSocket, "open");
    const client = await fixture.accepted();
    client.write(Buffer.from("no stranger any more"));
    await once(webSocket, "message");
    webSocket.send(Buffer.alloc(100_000));
    await fixture.until(() => client.received.length === 100_000);
    webSocket.send(Buffer.alloc(200_000));
    await fixture.until(() => client.closeCount === 1);
    assert.equal(client.received.length, 100_000);
  });

  test(`websocket (${name}): the connection limit refuses, and close frees the place`, {
    skip,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant, { maxConnections: 1 });
    const first = dial();
    await once(first, "open");
    const second = dial();
    await new Promise((resolve) => second.once("close", resolve));
    assert.equal(fixture.counters[Counter.ACCEPTS_REFUSED], 1);
    first.close();
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
    await once(dial(), "open");
  });

  test(`websocket (${name}): stop keeps connections, close ends them`, { skip }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    const webSocket = dial();
    await once(webSocket, "open");
    const client = await fixture.accepted();
    fixture.listener.stop();
    await new Promise((resolve) => dial().once("close", resolve));
    webSocket.send(Buffer.from("still served"));
    await fixture.until(() => client.received.length > 0);
    await fixture.close();
    await fixture.until(() => client.closeCount === 1);
    assert.equal(fixture.words[WORD_CONNECTIONS], 0);
  });

  test(`websocket (${name}): a reload changes path and origins`, {
    skip: skip || variant.isTls,
  }, async (t) => {
    const { fixture, dial } = await open(t, variant);
    fixture.listener.reload(
      listenerConfig({ ...variant.config, protocol: "ws", path: "/new" }),
      LIMITS,
    );
    assert.equal(await refusalStatus(dial("/mqtt")), 404);
    await once(dial("/new"), "open");
  });

  test(`websocket (${name}): plain HTTP requests get 404 and 426`, {
    skip: skip || variant.isTls,
  }, async (t) => {
    const { fixture } = await open(t, variant);
    const status = async (path: string): Promise<number | undefined> => {
      const asked = request({ port: fixture.port, host: "127.0.0.1", path, agent: false });
      asked.end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      response.resume();
      await once(response, "close");
      return response.statusCode;
    };
    assert.equal(await status("/"), 404);
    assert.equal(await status("/mqtt"), 426);
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
  });
}

test("websocket: a client certificate is named behind TLS", async (t) => {
  const files = new TlsFiles(t);
  const tls = files.config({ clientCertificate: "required" });
  const fixture = await ListenerFixture.open({ protocol: "wss", tls });
  t.after(() => fixture.close());
  const options = {
    ca: files.authority.cert,
    servername: "broker.test",
    ...files.client("browser-1"),
  };
  const webSocket = new WebSocket(`wss://127.0.0.1:${fixture.port}/mqtt`, ["mqtt"], options);
  t.after(() => webSocket.terminate());
  await once(webSocket, "open");
  const { transport } = await fixture.accepted();
  assert.deepEqual(transport.certificate, { commonName: "browser-1", subject: "CN=browser-1" });
});

for (const variant of VARIANTS.filter(({ config }) => config.websocketEngine !== "uws")) {
  test(`websocket (${variant.name}): nothing of a frame is held, it passes on as it arrives`, async (t) => {
    const limits = { ...LIMITS, maxPacketSize: 10_000_000, preAuthBytes: 65_536 };
    const { fixture, dial } = await open(t, variant, {}, { limits });
    const webSocket = dial();
    await once(webSocket, "open");
    const client = await fixture.accepted();
    const raw = socketOf(webSocket);
    raw.write(Buffer.from("82ff000000000098968000000000", "hex")); // 10,000,000 bytes, mask 0
    for (let sent = 100; sent <= 1000; sent += 100) {
      raw.write(Buffer.alloc(100, 7));
      await fixture.until(() => client.received.length === sent);
    }
    client.transport.close();
    raw.write(Buffer.alloc(100_000, 7));
    await fixture.until(() => client.closeCount === 1);
    assert.equal(client.received.length, 1000);
  });
}

test("websocket: a PROXY header before the upgrade, in one piece with it", async (t) => {
  const fixture = await ListenerFixture.open({ protocol: "ws", proxyProtocol: "required" });
  t.after(() => fixture.close());
  const socket = connect({ port: fixture.port, host: "127.0.0.1" });
  t.after(() => socket.destroy());
  const upgrade = [
    "GET /mqtt HTTP/1.1",
    "Host: broker.test",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: mqtt",
    "",
    "",
  ].join("\r\n");
  const frame = Buffer.from("828500000000", "hex");
  const header = "PROXY TCP6 2001:db8::9 2001:db8::1 4711 8080\r\n";
  socket.write(Buffer.concat([Buffer.from(header + upgrade), frame, Buffer.from("hello")]));
  const client = await fixture.accepted();
  assert.equal(client.transport.remoteAddress, "2001:db8::9");
  assert.equal(client.transport.remotePort, 4711);
  assert.equal(client.transport.isLoopback, false);
  await fixture.until(() => client.received.toString() === "hello");
});

test("websocket: an upgrade that does not come in time ends the connection", async (t) => {
  const limits = { ...LIMITS, connectTimeoutMs: 50 };
  const fixture = await ListenerFixture.open({ protocol: "ws" }, { limits });
  t.after(() => fixture.close());
  const socket = connect({ port: fixture.port, host: "127.0.0.1" });
  socket.write("GET /mqtt HTTP/1.1\r\nHost: x\r\n");
  socket.on("error", () => {});
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  assert.ok(fixture.logLines.some((line) => line.event === "handshake_timeout"));
});

test("websocket: garbage instead of HTTP is counted and ended", async (t) => {
  const fixture = await ListenerFixture.open({ protocol: "ws" });
  t.after(() => fixture.close());
  const socket = connect({ port: fixture.port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.write(Buffer.from("101000044d5154540402003c000461626364", "hex"));
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 1);
});
