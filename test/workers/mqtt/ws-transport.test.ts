import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ListenerConfig } from "../../../src/shared/config/config.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { WORD_CONNECTIONS } from "../../../src/shared/metrics/shared-words.ts";
import type { ListenerDeps } from "../../../src/workers/mqtt/listener.ts";
import { closeFrame, Opcode } from "../../../src/workers/mqtt/ws-frame.ts";
import { type AcceptedClient, ListenerFixture } from "./listener-fixture.ts";
import { clientClose, clientFrame } from "./ws-client-frames.ts";
import { UPGRADE_LINES, WsRawClient } from "./ws-raw-client.ts";

interface Opened {
  readonly fixture: ListenerFixture;
  readonly raw: WsRawClient;
}

async function open(
  t: TestContext,
  config: Partial<ListenerConfig> = {},
  deps: Partial<ListenerDeps> = {},
): Promise<Opened> {
  const fixture = await ListenerFixture.open({ protocol: "ws", ...config }, deps);
  t.after(() => fixture.close());
  return { fixture, raw: new WsRawClient(t, fixture.port) };
}

async function upgraded(
  t: TestContext,
  deps: Partial<ListenerDeps> = {},
): Promise<Opened & { readonly client: AcceptedClient }> {
  const opened = await open(t, {}, deps);
  opened.raw.upgrade();
  const client = await opened.fixture.accepted();
  await opened.fixture.until(() => opened.raw.status === 101);
  return { ...opened, client };
}

const ENDINGS: readonly (readonly [string, Buffer, number])[] = [
  ["its close code is said back", clientClose(4711, "done"), 4711],
  ["a close without a code is answered without one", clientFrame({ opcode: Opcode.CLOSE }), 1005],
  ["a frame without a mask", clientFrame({ payload: "x", mask: null }), 1002],
  ["a reserved bit", clientFrame({ reserved: 0x40 }), 1002],
  ["a text frame [MQTT-6.0.0-1]", clientFrame({ opcode: Opcode.TEXT, payload: "x" }), 1003],
  ["a reason that is not UTF-8", clientClose(1000, Buffer.of(0xff)), 1007],
  ["a frame too large", clientFrame({ announcedSize: 2n ** 40n }), 1009],
];

for (const [name, frame, code] of ENDINGS) {
  test(`websocket transport: what was written leaves, then the close frame: ${name} [RFC6455 §7]`, async (t) => {
    const { fixture, raw, client } = await upgraded(t);
    client.onBytes = () => client.write(Buffer.from("answer"));
    raw.write(clientFrame({ payload: "question" }), frame, clientFrame({ payload: "late" }));
    await fixture.until(() => raw.isEnded);
    const answer = Buffer.concat([Buffer.of(0x82, 6), Buffer.from("answer")]);
    assert.deepEqual(raw.frames, Buffer.concat([answer, closeFrame(code)]));
    assert.equal(client.received.toString(), "question");
    assert.equal(client.closeCount, 0, "the client's end is still open");
    raw.socket.end();
    await fixture.until(() => client.closeCount === 1);
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
    assert.equal(fixture.pool.outstandingCount, 0);
    const isViolation = code < 1005 || (code > 1005 && code < 3000);
    assert.equal(
      fixture.logLines.some((line) => line.event === "websocket_error"),
      isViolation,
    );
  });
}

test("websocket transport: our own close says 1000, and the client's answer is taken", async (t) => {
  const { fixture, raw, client } = await upgraded(t);
  client.write(Buffer.from("bye"));
  client.transport.close();
  await fixture.until(() => raw.isEnded);
  const bye = Buffer.concat([Buffer.of(0x82, 3), Buffer.from("bye"), closeFrame(1000)]);
  assert.deepEqual(raw.frames, bye);
  raw.write(clientClose(1000));
  raw.socket.end();
  await fixture.until(() => client.closeCount === 1);
});

test("websocket transport: a client that just ends gets what it is owed", async (t) => {
  const { fixture, raw, client } = await upgraded(t);
  client.onBytes = () => client.write(Buffer.alloc(300_000, 5));
  raw.write(clientFrame({ payload: "last words" }));
  raw.socket.end();
  await fixture.until(() => raw.isEnded);
  assert.ok(raw.frames.length > 300_000);
  assert.deepEqual(raw.frames.subarray(-4), Buffer.from(closeFrame(1000)));
  await fixture.until(() => client.closeCount === 1);
});

test("websocket transport: a client that resets is reported once", async (t) => {
  const { fixture, raw, client } = await upgraded(t);
  client.write(Buffer.alloc(16 * 1024 * 1024));
  client.transport.flush();
  raw.socket.resetAndDestroy();
  await fixture.until(() => client.closeCount > 0);
  await fixture.close();
  assert.equal(client.closeCount, 1);
  assert.equal(fixture.pool.outstandingCount, 0);
});

test("websocket transport: frames in one piece with the upgrade request", async (t) => {
  const { fixture, raw } = await open(t);
  const frames = Array.from({ length: 50 }, (_, n) => clientFrame({ payload: `${n},` }));
  const last = clientFrame({ payload: "end" });
  raw.upgrade(Buffer.concat([...frames, last.subarray(0, 3)]));
  const client = await fixture.accepted();
  await fixture.until(() => client.received.length > 0);
  raw.write(last.subarray(3));
  await fixture.until(() => client.received.toString().endsWith("49,end"));
  assert.equal(client.received.length, 50 * 3 - 10 + 3);
});

for (const without of [[], ["shared-read-buffer"], ["kernel-send"]] as const) {
  test(`websocket transport: a pause from within the first bytes holds (without ${without})`, async (t) => {
    const { fixture, raw } = await open(
      t,
      {},
      {
        without,
        acceptor: (transport) => {
          transport.handler = {
            handleBytes(bytes, start, end) {
              received += Buffer.from(bytes.subarray(start, end)).toString();
              transport.pauseReading();
            },
            handleDrain() {},
            handleClose() {},
          };
          resume = () => transport.resumeReading();
        },
      },
    );
    let received = "";
    let resume = () => {};
    raw.upgrade(clientFrame({ payload: "first," }));
    await fixture.until(() => received === "first,");
    raw.write(clientFrame({ payload: "second" }));
    // Until the kernel has taken it, and then a few turns for somebody to read it.
    await fixture.until(() => raw.socket.writableLength === 0);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(received, "first,");
    resume();
    await fixture.until(() => received === "first,second");
  });
}

test("websocket transport: nothing leaves behind the close frame", async (t) => {
  const { fixture, raw, client } = await upgraded(t);
  client.transport.close();
  client.write(Buffer.from("too late"));
  client.transport.flush();
  await fixture.until(() => raw.isEnded);
  assert.deepEqual(raw.frames, Buffer.from(closeFrame(1000)));
  raw.socket.end();
  await fixture.until(() => client.closeCount === 1);
  assert.equal(fixture.pool.outstandingCount, 0);
});

test("websocket transport: payload is counted, not frames around it", async (t) => {
  const { fixture, raw, client } = await upgraded(t);
  raw.write(clientFrame({ opcode: Opcode.PING, payload: "x" }), clientFrame({ payload: "12345" }));
  await fixture.until(() => client.received.length === 5);
  client.write(Buffer.alloc(1000));
  await fixture.until(() => raw.frames.length === 3 + 1004);
  assert.equal(fixture.counters[Counter.RECEIVED_BYTES], 5);
  assert.equal(fixture.counters[Counter.SENT_BYTES], 1000);
});

const REFUSED: readonly (readonly [string, number, readonly string[]])[] = [
  ["POST", 405, ["POST /mqtt HTTP/1.1", ...UPGRADE_LINES.slice(1)]],
  ["another protocol", 400, UPGRADE_LINES.map((line) => line.replace("websocket", "h2c"))],
  ["version 8", 426, UPGRADE_LINES.map((line) => line.replace("13", "8"))],
  ["no key", 400, UPGRADE_LINES.filter((line) => !line.startsWith("Sec-WebSocket-Key"))],
  ["two keys", 400, [...UPGRADE_LINES, UPGRADE_LINES[5]]],
];

for (const [name, status, lines] of REFUSED) {
  test(`websocket transport: an upgrade with ${name} is refused with ${status} [RFC6455 §4.2]`, async (t) => {
    const { fixture, raw } = await open(t);
    raw.upgrade(clientFrame({ payload: "unread" }), lines);
    await fixture.until(() => raw.isEnded);
    assert.equal(raw.status, status);
    assert.equal(fixture.clients.length, 0);
    assert.equal(fixture.counters[Counter.HANDSHAKE_FAILURES], 1);
    raw.socket.end();
    await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
  });
}

test("websocket transport: a forwarded address is no address", async (t) => {
  const { fixture, raw } = await open(t);
  raw.upgrade(undefined, [
    ...UPGRADE_LINES,
    "X-Forwarded-For: 192.0.2.7",
    "Forwarded: for=192.0.2.7",
  ]);
  const { transport } = await fixture.accepted();
  assert.equal(transport.remoteAddress, "127.0.0.1");
  assert.equal(transport.remotePort, raw.socket.localPort);
});

test("websocket transport: a request head beyond the limit ends the connection", async (t) => {
  const { fixture, raw } = await open(t);
  raw.upgrade(undefined, [...UPGRADE_LINES, `Cookie: ${"x".repeat(20_000)}`]);
  await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 1);
  await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
  assert.equal(fixture.clients.length, 0);
});
