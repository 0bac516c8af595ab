import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import {
  WORD_ACCEPT_TOKENS,
  WORD_CONNECTIONS,
  WORD_LISTENER_CONNECTIONS,
} from "../../../src/shared/metrics/shared-words.ts";
import { LIMITS, ListenerFixture, listenerConfig } from "./listener-fixture.ts";
import { proxyV2 } from "./proxy-builder.ts";

function startClient(t: TestContext, port: number, host = "127.0.0.1"): Socket {
  const socket = connect({ port, host, noDelay: true });
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  return socket;
}

/** Unlike `once`, which an "error" before the close rejects. */
function closed(socket: Socket): Promise<void> {
  socket.resume();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

test("listener: the process limit refuses unread connections and frees its place on close", async (t) => {
  const limits = { ...LIMITS, maxConnections: 2 };
  const fixture = await ListenerFixture.open({}, { limits });
  t.after(() => fixture.close());
  const first = startClient(t, fixture.port);
  startClient(t, fixture.port);
  await fixture.accepted(1);
  await closed(startClient(t, fixture.port));
  assert.equal(fixture.clients.length, 2);
  assert.equal(fixture.counters[Counter.ACCEPTS], 2);
  assert.equal(fixture.counters[Counter.ACCEPTS_REFUSED], 1);
  assert.equal(fixture.counters[Counter.CONNECTIONS], 2);
  assert.equal(fixture.words[WORD_CONNECTIONS], 2);
  assert.equal(fixture.logLines[0]?.fields["refusal"], "process_limit");
  first.destroy();
  await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 1);
  startClient(t, fixture.port);
  await fixture.accepted(2);
});

test("listener: its own limit refuses without using up the process limit", async (t) => {
  const fixture = await ListenerFixture.open({ maxConnections: 1 });
  t.after(() => fixture.close());
  startClient(t, fixture.port);
  await fixture.accepted();
  await closed(startClient(t, fixture.port));
  assert.equal(fixture.words[WORD_CONNECTIONS], 1);
  assert.equal(fixture.words[WORD_LISTENER_CONNECTIONS], 1);
  assert.equal(fixture.counters[Counter.ACCEPTS_REFUSED], 1);
});

test("listener: the accept rate takes tokens and refuses when none are left", async (t) => {
  const limits = { ...LIMITS, acceptRatePerSecond: 10 };
  const fixture = await ListenerFixture.open({}, { limits });
  t.after(() => fixture.close());
  fixture.words[WORD_ACCEPT_TOKENS] = 1;
  startClient(t, fixture.port);
  await fixture.accepted();
  await closed(startClient(t, fixture.port));
  assert.equal(fixture.words[WORD_ACCEPT_TOKENS], 0);
  assert.equal(fixture.counters[Counter.ACCEPTS_REFUSED], 1);
  assert.equal(fixture.words[WORD_CONNECTIONS], 1);
});

test("listener: stop accepts nobody and keeps who is there; close ends them", async (t) => {
  const fixture = await ListenerFixture.open();
  const socket = startClient(t, fixture.port);
  const client = await fixture.accepted();
  fixture.listener.stop();
  await closed(startClient(t, fixture.port));
  assert.equal(fixture.clients.length, 1);
  socket.write("still served");
  await fixture.until(() => client.received.length > 0);
  await fixture.close();
  assert.equal(client.closeCount, 1);
  assert.equal(fixture.words[WORD_CONNECTIONS], 0);
  assert.equal(fixture.words[WORD_LISTENER_CONNECTIONS], 0);
  assert.equal(fixture.counters[Counter.CONNECTIONS], 0);
});

test("listener: a thousand connections come and go, nothing is left", async (t) => {
  const fixture = await ListenerFixture.open();
  t.after(() => fixture.close());
  for (let round = 0; round < 10; round += 1) {
    const sockets = Array.from({ length: 100 }, () => startClient(t, fixture.port));
    await fixture.accepted(round * 100 + 99);
    for (const client of fixture.clients.slice(-100)) client.write(Buffer.alloc(2000));
    for (const socket of sockets) socket.destroy();
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
  }
  await fixture.until(() => fixture.clients.every((client) => client.closeCount === 1));
  assert.equal(fixture.pool.outstandingCount, 0);
  assert.equal(fixture.counters[Counter.ACCEPTS], 1000);
  assert.equal(fixture.counters[Counter.CONNECTIONS], 0);
});

test("listener: a port that another program listens on is EADDRINUSE for the first worker", async (t) => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  await assert.rejects(ListenerFixture.open({ port }), { code: "EADDRINUSE" });
  await assert.rejects(ListenerFixture.open({ port }, { isFirst: false }), { code: "EADDRINUSE" });
});

test("listener: a second broker on a shared port is refused, a sibling worker is not", async (t) => {
  const first = await ListenerFixture.open();
  t.after(() => first.close());
  const { port } = first;
  await assert.rejects(ListenerFixture.open({ port }, { isFirst: true }), { code: "EADDRINUSE" });
  const sibling = await ListenerFixture.open({ port }, { isFirst: false, threadIndex: 2 });
  t.after(() => sibling.close());
  assert.equal(sibling.port, port);
});

test("listener: where ports cannot be shared, worker 1 accepts and the others stay idle", async (t) => {
  const without = ["port-sharing"] as const;
  const first = await ListenerFixture.open({}, { without });
  t.after(() => first.close());
  const second = await ListenerFixture.open({ port: first.port }, { without, threadIndex: 2 });
  assert.equal(second.logLines[0]?.event, "listener_not_shared");
  assert.equal(second.port, first.port);
  startClient(t, first.port);
  await first.accepted();
  await second.close();
  startClient(t, first.port);
  await first.accepted(1);
});

test("listener: :: serves IPv4 and IPv6 clients, addresses in their own family's form", async (t) => {
  const fixture = await ListenerFixture.open({ host: "::" });
  t.after(() => fixture.close());
  startClient(t, fixture.port, "127.0.0.1");
  assert.equal((await fixture.accepted(0)).transport.remoteAddress, "127.0.0.1");
  assert.equal((await fixture.accepted(0)).transport.isLoopback, true);
  startClient(t, fixture.port, "::1");
  assert.equal((await fixture.accepted(1)).transport.remoteAddress, "::1");
  assert.equal((await fixture.accepted(1)).transport.isLoopback, true);
});

test("listener: a reload changes limits for connections to come", async (t) => {
  const fixture = await ListenerFixture.open();
  t.after(() => fixture.close());
  startClient(t, fixture.port);
  await fixture.accepted();
  fixture.listener.reload(listenerConfig({ maxConnections: 1 }), LIMITS);
  await closed(startClient(t, fixture.port));
  fixture.listener.reload(listenerConfig(), { ...LIMITS, maxConnections: 2 });
  startClient(t, fixture.port);
  await fixture.accepted(1);
  await closed(startClient(t, fixture.port));
});

for (const without of [[], ["kernel-send", "shared-read-buffer"]] as const) {
  const name = without.length === 0 ? "fast paths" : "streams only";

  test(`listener: a PROXY header gives the client's address; bytes behind are kept (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({ proxyProtocol: "required" }, { without });
    t.after(() => fixture.close());
    const socket = startClient(t, fixture.port);
    socket.write("PROXY TCP4 203.0.113.7 198.51.100.1 50123 1883\r\nfirst");
    const client = await fixture.accepted();
    await fixture.until(() => client.received.length === 5);
    socket.write(" second");
    await fixture.until(() => client.received.toString() === "first second");
    assert.equal(client.transport.remoteAddress, "203.0.113.7");
    assert.equal(client.transport.remotePort, 50_123);
    assert.equal(client.transport.isLoopback, false);
    client.write(Buffer.from("back"));
    const [bytes] = (await once(socket, "data")) as [Buffer];
    assert.equal(bytes.toString(), "back");
    client.transport.pauseReading();
    client.transport.resumeReading();
    socket.end(" third");
    await fixture.until(() => client.closeCount === 1);
    assert.equal(client.received.toString(), "first second third");
  });

  test(`listener: a PROXY header split at every byte is read (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({ proxyProtocol: "required" }, { without });
    t.after(() => fixture.close());
    const socket = startClient(t, fixture.port);
    await once(socket, "connect");
    const header = proxyV2({ family: 2, body: `${"00".repeat(15)}01${"11".repeat(16)}c3cb075b` });
    for (const byte of Buffer.concat([header, Buffer.from("x")])) {
      await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const client = await fixture.accepted();
    await fixture.until(() => client.received.toString() === "x");
    assert.equal(client.transport.remoteAddress, "::1");
    assert.equal(client.transport.isLoopback, true, "the proxy says that the client is local");
  });
}

for (const header of ["PROXY UNKNOWN\r\n", proxyV2({ command: 0, family: 0, body: "" })]) {
  const name = typeof header === "string" ? "UNKNOWN" : "LOCAL";
  test(`listener: a PROXY header ${name} never makes a loopback client of the proxy`, async (t) => {
    const fixture = await ListenerFixture.open({ proxyProtocol: "required" });
    t.after(() => fixture.close());
    startClient(t, fixture.port).write(header);
    const { transport } = await fixture.accepted();
    assert.equal(transport.remoteAddress, "127.0.0.1");
    assert.equal(transport.isLoopback, false);
  });
}

test("listener: no PROXY header where one is required ends the connection, counted", async (t) => {
  const fixture = await ListenerFixture.open({ proxyProtocol: "required" });
  t.after(() => fixture.close());
  const socket = startClient(t, fixture.port);
  socket.write(Buffer.from("101000044d5154540402003c000461626364", "hex"));
  await closed(socket);
  const half = startClient(t, fixture.port);
  half.end("PROXY TC");
  await closed(half);
  assert.equal(fixture.clients.length, 0);
  await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 2);
  await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
});

test("listener: a PROXY header that does not come in time ends the connection", async (t) => {
  const limits = { ...LIMITS, connectTimeoutMs: 50 };
  const fixture = await ListenerFixture.open({ proxyProtocol: "required" }, { limits });
  t.after(() => fixture.close());
  const socket = startClient(t, fixture.port);
  socket.write("PROXY TC");
  await closed(socket);
  assert.equal(fixture.clients.length, 0);
  await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
});

test("listener: a client that takes nothing after close is cut off by the linger limit", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let nowMs = performance.now();
  t.mock.method(performance, "now", () => nowMs);
  const fixture = await ListenerFixture.open();
  t.after(() => fixture.close());
  const socket = startClient(t, fixture.port);
  socket.pause();
  const client = await fixture.accepted();
  client.write(Buffer.alloc(16 * 1024 * 1024));
  client.transport.close();
  assert.ok(client.transport.bufferedBytes > 0);
  assert.equal(client.closeCount, 0);
  t.mock.timers.tick(2900);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(client.closeCount, 0);
  nowMs += 3100;
  t.mock.timers.tick(200);
  await fixture.until(() => client.closeCount > 0);
  assert.equal(client.closeCount, 1);
  assert.equal(fixture.pool.outstandingCount, 0);
});
