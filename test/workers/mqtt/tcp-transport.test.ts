import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, type TestContext, test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { WORD_CONNECTIONS } from "../../../src/shared/metrics/shared-words.ts";
import type { ListenerDeps } from "../../../src/workers/mqtt/listener.ts";
import { SendBatch } from "../../../src/workers/mqtt/send-batch.ts";
import { ListenerFixture } from "./listener-fixture.ts";

/** Null where the machine has no io_uring, which send-batch.test.ts reports as skipped. */
const sendBatch = SendBatch.open();
after(() => sendBatch?.close());

/**
 * Every behaviour must hold on the fast paths and on the paths that use nothing but Node's
 * documented streams.
 */
const PATHS: readonly (readonly [string, Partial<ListenerDeps>, SendBatch | null])[] = [
  ["fast paths", {}, null],
  ["sent in batches", {}, sendBatch],
  ["streams only", { without: ["kernel-send", "shared-read-buffer"] }, null],
  ["kernel send, data events", { without: ["shared-read-buffer"] }, null],
  ["stream write, shared buffer", { without: ["kernel-send"] }, null],
];

async function openClient(
  t: TestContext,
  fixture: ListenerFixture,
  allowHalfOpen = false,
): Promise<Socket> {
  const socket = connect({ port: fixture.port, host: "127.0.0.1", allowHalfOpen });
  socket.on("error", () => {});
  t.after(async () => {
    socket.destroy();
    await fixture.close();
  });
  await once(socket, "connect");
  return socket;
}

async function readBytes(socket: Socket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  while (received < size) {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) {
      await once(socket, "readable");
    } else {
      chunks.push(chunk);
      received += chunk.length;
    }
  }
  return Buffer.concat(chunks);
}

/** Bytes that show a lost, doubled or misplaced byte. */
function pattern(size: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(size);
  for (let index = 0; index < size; index += 1)
    bytes[index] = (index * 7 + (index >> 8) + seed) & 0xff;
  return bytes;
}

for (const [name, deps, batch] of PATHS) {
  test(`tcp transport: bytes arrive both ways (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, deps, batch);
    const socket = await openClient(t, fixture);
    const client = await fixture.accepted();
    socket.write("to the broker");
    await fixture.until(() => client.received.length === 13);
    assert.equal(client.received.toString(), "to the broker");
    client.write(Buffer.from("and "));
    client.write(Buffer.from("back"));
    assert.equal((await readBytes(socket, 8)).toString(), "and back");
    assert.equal(client.transport.remoteAddress, "127.0.0.1");
    assert.equal(client.transport.remotePort, socket.localPort);
    assert.equal(client.transport.isLoopback, true);
    assert.equal(client.transport.listenerId, "test-listener");
    assert.equal(client.transport.protocol, "mqtt");
    assert.equal(client.transport.certificate, null);
    assert.equal(fixture.counters[Counter.RECEIVED_BYTES], 13);
    assert.equal(fixture.counters[Counter.SENT_BYTES], 8);
    assert.equal(fixture.pool.outstandingCount, 0, "an idle connection holds no chunk");
  });

  test(`tcp transport: a stalled reader gets every byte in order, then drain (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, deps, batch);
    const socket = await openClient(t, fixture);
    socket.pause();
    const client = await fixture.accepted();
    const { transport } = client;
    const parts: Buffer[] = [];
    // 24 MiB: more than the kernel buffers of both ends hold.
    for (let index = 0; index < 24; index += 1) {
      const part = pattern(1024 * 1024, index);
      parts.push(part);
      for (let start = 0; start < part.length; start += 40_000) {
        client.write(part.subarray(start, start + 40_000));
      }
      client.flush();
    }
    const sent = fixture.counters[Counter.SENT_BYTES]!;
    const total = 24 * 1024 * 1024;
    assert.ok(transport.bufferedBytes > total - sent - 1, "every byte not taken is reported");
    assert.ok(transport.bufferedBytes <= total - sent + 65_536, "at most a chunk is on its way");
    assert.equal(transport.output.size, 0, "after a flush nothing is unflushed");
    assert.equal(client.drainCount, 0);
    const expected = Buffer.concat(parts);
    const received = await readBytes(socket, expected.length);
    assert.ok(received.equals(expected));
    await fixture.until(() => client.drainCount > 0);
    assert.equal(transport.bufferedBytes, 0);
    assert.equal(transport.output.size, 0);
    assert.equal(fixture.pool.outstandingCount, 0);
    client.write(Buffer.from("again"));
    assert.equal((await readBytes(socket, 5)).toString(), "again");
  });

  test(`tcp transport: what is not flushed does not leave when the kernel has room (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, { ...deps, markDirty: () => {} }, batch);
    const socket = await openClient(t, fixture);
    socket.pause();
    const client = await fixture.accepted();
    client.write(pattern(12 * 1024 * 1024));
    client.flush();
    assert.ok(client.transport.bufferedBytes > 0);
    client.write(Buffer.from("held back"));
    await readBytes(socket, 12 * 1024 * 1024);
    await fixture.until(() => client.drainCount > 0);
    assert.equal(client.transport.bufferedBytes, 0);
    assert.equal(client.transport.output.size, 9);
    assert.equal(socket.read(), null);
    client.flush();
    assert.equal((await readBytes(socket, 9)).toString(), "held back");
  });

  test(`tcp transport: close delivers what was written, then FIN (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, deps, batch);
    const socket = await openClient(t, fixture);
    socket.pause();
    const client = await fixture.accepted();
    const bytes = pattern(8 * 1024 * 1024);
    client.write(bytes);
    client.transport.close();
    assert.ok((await readBytes(socket, bytes.length)).equals(bytes));
    socket.resume();
    await once(socket, "end");
    await fixture.until(() => client.closeCount === 1);
    assert.equal(fixture.pool.outstandingCount, 0);
    assert.equal(fixture.words[WORD_CONNECTIONS], 0);
  });

  test(`tcp transport: destroy drops everything and reports once (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, deps, batch);
    const socket = await openClient(t, fixture);
    socket.pause();
    const client = await fixture.accepted();
    client.write(pattern(16 * 1024 * 1024));
    client.flush();
    client.write(pattern(100));
    client.transport.destroy();
    client.transport.destroy();
    client.transport.close();
    client.write(pattern(100));
    client.flush();
    await fixture.until(() => client.closeCount > 0);
    await fixture.close();
    assert.equal(client.closeCount, 1);
    assert.equal(fixture.pool.outstandingCount, 0);
    assert.equal(fixture.counters[Counter.CONNECTIONS], 0);
  });

  test(`tcp transport: a client that resets is reported once, chunks come back (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, deps, batch);
    const socket = await openClient(t, fixture);
    socket.pause();
    const client = await fixture.accepted();
    client.write(pattern(16 * 1024 * 1024));
    client.flush();
    socket.resetAndDestroy();
    await fixture.until(() => client.closeCount > 0);
    await fixture.close();
    assert.equal(client.closeCount, 1);
    assert.equal(fixture.pool.outstandingCount, 0);
  });

  test(`tcp transport: a client that half-closes still gets its answer (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, deps, batch);
    const socket = await openClient(t, fixture, true);
    const client = await fixture.accepted();
    client.onBytes = (bytes) => client.write(bytes);
    const bytes = pattern(300_000);
    socket.end(bytes);
    assert.ok((await readBytes(socket, bytes.length)).equals(bytes));
    await fixture.until(() => client.closeCount === 1);
  });

  test(`tcp transport: paused by its acceptor, it reads nothing until it is resumed (${name})`, async (t) => {
    let isPaused = true;
    const fixture = await ListenerFixture.open({}, deps, batch);
    fixture.onAccept = (client) => {
      if (isPaused) client.transport.pauseReading();
    };
    const socket = await openClient(t, fixture);
    socket.write("early");
    const client = await fixture.accepted();
    // Whoever comes later is read: what the first one has sent was there before.
    isPaused = false;
    const other = await openClient(t, fixture);
    other.write("late");
    const reader = await fixture.accepted(1);
    await fixture.until(() => reader.received.length === 4);
    assert.equal(client.received.length, 0);
    client.transport.resumeReading();
    await fixture.until(() => client.received.toString() === "early");
    socket.end();
    await fixture.until(() => client.closeCount === 1);
  });

  test(`tcp transport: paused reading holds the client back and loses nothing (${name})`, async (t) => {
    const fixture = await ListenerFixture.open({}, deps, batch);
    const socket = await openClient(t, fixture);
    const client = await fixture.accepted();
    client.onBytes = () => {
      client.onBytes = () => {};
      client.transport.pauseReading();
    };
    const bytes = pattern(32 * 1024 * 1024);
    const isFlushed = socket.write(bytes);
    assert.equal(isFlushed, false);
    await fixture.until(() => client.received.length > 0);
    const receivedWhilePaused = client.received.length;
    // The kernel's buffers fill up while nobody reads: the client's own queue stops shrinking.
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(client.received.length, receivedWhilePaused);
    assert.ok(socket.writableLength > 0);
    client.transport.resumeReading();
    let size = 0;
    client.onBytes = () => {
      size += 1;
    };
    await once(socket, "drain");
    socket.end();
    await fixture.until(() => client.closeCount === 1);
    assert.ok(size > 0);
    assert.ok(client.received.equals(bytes));
  });
}

test("tcp transport: what is gathered twice for one batch leaves once", {
  skip: sendBatch === null && "this machine has no io_uring, or forbids it",
}, async (t) => {
  const batch = sendBatch!;
  const fixture = await ListenerFixture.open({}, { markDirty: () => {} }, batch);
  const socket = await openClient(t, fixture);
  const client = await fixture.accepted();
  client.write(Buffer.from("once"));
  assert.equal(client.transport.gather(batch), true);
  assert.equal(client.transport.gather(batch), false);
  assert.equal(batch.count, 1);
  batch.submit();
  client.transport.settle(batch.taken(0));
  assert.equal(client.transport.gather(batch), false, "nothing new");
  client.write(Buffer.from(" more"));
  client.flush();
  assert.equal((await readBytes(socket, 9)).toString(), "once more");
  assert.equal(fixture.counters[Counter.SENT_BYTES], 9);
});
