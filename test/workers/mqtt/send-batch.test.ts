/** What a batch of sends tells of each socket. How connections use it: tcp-transport.test.ts. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { SendBatch } from "../../../src/workers/mqtt/send-batch.ts";
import { loadLibC } from "../../../src/workers/mqtt/tcp-libc.ts";

const probe = SendBatch.open();
probe?.close();
const skip = probe === null && "this machine has no io_uring, or forbids it";

interface Pair {
  readonly fd: number;
  readonly local: Socket;
  readonly remote: Socket;
}

function fdOf(socket: Socket): number {
  return (socket as Socket & { _handle: { fd: number } })._handle.fd;
}

async function openPairs(t: TestContext, count: number): Promise<Pair[]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const pairs: Pair[] = [];
  for (let index = 0; index < count; index += 1) {
    const remote = connect(port, "127.0.0.1");
    const [local] = (await once(server, "connection")) as [Socket];
    for (const socket of [local, remote]) socket.on("error", () => {});
    pairs.push({ fd: fdOf(local), local, remote });
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

function openBatch(t: TestContext): SendBatch {
  const batch = SendBatch.open();
  assert.ok(batch !== null);
  t.after(() => batch.close());
  return batch;
}

async function read(socket: Socket, size: number): Promise<string> {
  let text = "";
  while (text.length < size) {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) await once(socket, "readable");
    else text += chunk.toString("latin1");
  }
  return text;
}

test("send batch: every socket gets its own bytes, batch after batch", { skip }, async (t) => {
  const pairs = await openPairs(t, 20);
  const batch = openBatch(t);
  const slab = Buffer.alloc(65_536);
  // More requests than the ring has room for, so that it wraps.
  for (let round = 0; round < 30; round += 1) {
    for (const [index, { fd }] of pairs.entries()) {
      const text = `round ${round} of socket ${index}`;
      const chunk = slab.subarray(index * 1024, (index + 1) * 1024);
      chunk.write(text, 3, "latin1");
      batch.add(fd, chunk, 3, text.length);
    }
    assert.equal(batch.count, pairs.length);
    batch.submit();
    assert.equal(batch.count, 0);
    for (const [index, { remote }] of pairs.entries()) {
      const text = `round ${round} of socket ${index}`;
      assert.equal(batch.taken(index), text.length);
      assert.equal(await read(remote, text.length), text);
    }
  }
});

test("send batch: chunks lie in memory of any kind", { skip }, async (t) => {
  const [pair] = await openPairs(t, 1);
  const batch = openBatch(t);
  const memory = [
    Buffer.from("pooled"),
    Buffer.allocUnsafeSlow(1 << 20)
      .fill("a")
      .subarray(70_000, 70_006),
    new Uint8Array(new SharedArrayBuffer(64), 8, 6).fill(98),
    new Uint8Array([99, 99, 99, 99, 99, 99]),
  ];
  for (const chunk of memory) batch.add(pair!.fd, chunk, 0, 6);
  batch.submit();
  assert.equal(await read(pair!.remote, 24), "pooledaaaaaabbbbbbcccccc");
});

test("send batch: has room for as many as it says", { skip }, async (t) => {
  const [pair] = await openPairs(t, 1);
  const batch = openBatch(t);
  const chunk = Buffer.from("x");
  while (batch.hasRoom) batch.add(pair!.fd, chunk, 0, 1);
  assert.equal(batch.count, batch.capacity);
  batch.submit();
  assert.ok(batch.hasRoom);
  assert.equal((await read(pair!.remote, batch.capacity)).length, batch.capacity);
});

test("send batch: a full socket takes a part, then nothing, and holds nobody up", {
  skip,
}, async (t) => {
  const [full, other] = await openPairs(t, 2);
  const batch = openBatch(t);
  full!.remote.pause();
  const large = Buffer.alloc(1 << 20, "f");
  let sent = 0;
  let taken = large.length;
  while (taken === large.length) {
    batch.add(full!.fd, large, 0, large.length);
    batch.submit();
    taken = batch.taken(0);
    sent += Math.max(taken, 0);
  }
  assert.ok(taken < large.length, "a part");
  batch.add(full!.fd, large, 0, large.length);
  batch.add(other!.fd, large, 0, 5);
  batch.submit();
  assert.ok(batch.taken(0) <= 0, "no room");
  assert.equal(batch.taken(1), 5);
  assert.equal(await read(other!.remote, 5), "fffff");
  assert.equal((await read(full!.remote, sent)).length, sent);
});

test("send batch: a broken or closed socket takes nothing, and the rest go out", {
  skip,
}, async (t) => {
  const [first, broken, last] = await openPairs(t, 3);
  const batch = openBatch(t);
  broken!.local.destroy();
  await once(broken!.local, "close");
  const chunk = Buffer.from("bytes");
  for (const pair of [first, broken, last]) batch.add(pair!.fd, chunk, 0, 5);
  batch.submit();
  assert.equal(batch.taken(0), 5);
  assert.ok(batch.taken(1) < 0);
  assert.equal(batch.taken(2), 5);
  assert.equal(await read(first!.remote, 5), "bytes");
  assert.equal(await read(last!.remote, 5), "bytes");
});

test("send batch: one whose ring has gone takes nothing and closes", { skip }, async (t) => {
  const [pair] = await openPairs(t, 1);
  const batch = openBatch(t);
  batch.add(pair!.fd, Buffer.from("lost"), 0, 4);
  batch.close();
  batch.submit();
  assert.equal(batch.taken(0), 0);
  assert.equal(batch.hasRoom, false);
  assert.equal(loadLibC()?.send(pair!.fd, Buffer.from("kept"), 4), 4);
  assert.equal(await read(pair!.remote, 4), "kept");
});
