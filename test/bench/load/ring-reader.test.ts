/** The generator's reader: everything comes, in order, and nothing after the end. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type RingClient, RingReader } from "../../../bench/load/ring-reader.ts";
import { until } from "../../helpers/deadline.ts";

const probe = RingReader.open();
probe?.close();
const skip = probe === null && "this machine has no io_uring, or forbids it";

class Recorder implements RingClient {
  readonly chunks: Buffer[] = [];
  size = 0;
  ends = 0;

  handleRead(bytes: Buffer, size: number): void {
    this.chunks.push(Buffer.from(bytes.subarray(0, size)));
    this.size += size;
  }

  handleReadEnd(): void {
    this.ends += 1;
  }
}

interface Pair {
  readonly remote: Socket;
  readonly local: Socket;
  readonly fd: number;
}

async function openPairs(t: TestContext, count: number): Promise<Pair[]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const pairs: Pair[] = [];
  for (let index = 0; index < count; index += 1) {
    const local = connect(port, "127.0.0.1");
    // The reader reads in its place.
    local.pause();
    const [remote] = (await once(server, "connection")) as [Socket];
    if (local.connecting) await once(local, "connect");
    for (const socket of [local, remote]) socket.on("error", () => {});
    const { fd } = (local as Socket & { _handle: { fd: number } })._handle;
    pairs.push({ remote, local, fd });
  }
  t.after(() => {
    for (const { local, remote } of pairs) {
      local.destroy();
      remote.destroy();
    }
    server.close();
  });
  return pairs;
}

function openReader(t: TestContext): RingReader {
  const reader = RingReader.open();
  assert.ok(reader !== null);
  t.after(() => reader.close());
  return reader;
}

test("ring reader: each client gets its own bytes, in order, then the end once", {
  skip,
}, async (t) => {
  const reader = openReader(t);
  const pairs = await openPairs(t, 40);
  const clients = pairs.map(({ fd }) => {
    const client = new Recorder();
    reader.watch(fd, client);
    return client;
  });
  for (let round = 0; round < 20; round += 1) {
    for (const [index, { remote }] of pairs.entries()) remote.write(`${index}:${round};`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const { remote } of pairs) remote.end();
  await until(() => clients.every(({ ends }) => ends === 1), "every end");
  for (const [index, client] of clients.entries()) {
    const expected = Array.from({ length: 20 }, (_, round) => `${index}:${round};`).join("");
    assert.equal(Buffer.concat(client.chunks).toString(), expected);
  }
});

test("ring reader: more than all buffers hold at once arrives whole", { skip }, async (t) => {
  const reader = openReader(t);
  const pairs = await openPairs(t, 8);
  const clients = pairs.map(() => new Recorder());
  const sent = Buffer.allocUnsafe(6 * 1024 * 1024);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  for (const { remote } of pairs) remote.write(sent);
  // The kernel's buffers are full when reading begins.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const [index, { fd }] of pairs.entries()) reader.watch(fd, clients[index]!);
  await until(() => clients.every(({ size }) => size === sent.length), "every byte");
  for (const { chunks } of clients) assert.ok(Buffer.concat(chunks).equals(sent));
});

test("ring reader: who is not watched any more hears nothing, and its socket can close", {
  skip,
}, async (t) => {
  const reader = openReader(t);
  const [first, second] = await openPairs(t, 2);
  const clients = [new Recorder(), new Recorder()];
  const id = reader.watch(first!.fd, clients[0]!);
  reader.watch(second!.fd, clients[1]!);
  reader.unwatch(id);
  first!.remote.write("nobody");
  second!.remote.write("hears");
  await until(() => clients[1]!.size === 5, "the other's bytes");
  assert.equal(clients[0]!.size, 0);
  const closed = new Promise((resolve) => first!.remote.once("close", resolve));
  first!.local.resetAndDestroy();
  await closed;
  assert.equal(clients[0]!.ends, 0);
});

test("ring reader: a connection that is reset ends", { skip }, async (t) => {
  const reader = openReader(t);
  const [pair] = await openPairs(t, 1);
  const client = new Recorder();
  reader.watch(pair!.fd, client);
  pair!.remote.resetAndDestroy();
  await until(() => client.ends === 1, "the end");
});

test("ring reader: a client may stop another one while it reads", { skip }, async (t) => {
  const reader = openReader(t);
  const pairs = await openPairs(t, 3);
  const victims = [new Recorder(), new Recorder()];
  const ids: number[] = [];
  const killer = new Recorder();
  const { handleRead } = killer;
  killer.handleRead = (bytes, size) => {
    handleRead.call(killer, bytes, size);
    for (const id of ids.splice(0)) reader.unwatch(id);
  };
  for (const { remote } of pairs) remote.write("x");
  await new Promise((resolve) => setTimeout(resolve, 5));
  reader.watch(pairs[0]!.fd, killer);
  for (const [index, victim] of victims.entries()) {
    ids.push(reader.watch(pairs[index + 1]!.fd, victim));
  }
  await until(() => killer.size === 1, "the first to read");
  for (const { remote } of pairs) remote.write("y");
  await until(() => killer.size === 2, "more to read");
  for (const victim of victims) assert.ok(victim.size <= 1 && victim.ends === 0);
});
