import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { extname } from "node:path";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { loadUws } from "../../../src/platform/uws-binding.ts";
import type { ListenerConfig, ListenerProtocol } from "../../../src/shared/config/config.ts";
import {
  listenShared,
  type PortSharing,
  portSharing,
  supportsReusePort,
} from "../../../src/workers/mqtt/reuse-port.ts";
import { loadLibC } from "../../../src/workers/mqtt/tcp-libc.ts";
import type { ListenerWorkerData, WorkerQuestion } from "./listener-worker.ts";

const WORKER_COUNT = 4;
const CONNECTION_COUNT = 400;
const workerUrl = new URL(`./listener-worker${extname(import.meta.url)}`, import.meta.url);
const isSharing = portSharing() !== "none";
const hasUws = loadUws() !== null;

class ListenerThread {
  readonly port: number;
  readonly exited: Promise<number>;
  readonly #worker: Worker;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.port = port;
    this.exited = once(worker, "exit").then(([code]) => code as number);
  }

  static async start(data: ListenerWorkerData): Promise<ListenerThread> {
    const worker = new Worker(workerUrl, { workerData: data });
    const [port] = (await once(worker, "message")) as [number];
    return new ListenerThread(worker, port);
  }

  async connectionCount(): Promise<number> {
    const answer = once(this.#worker, "message");
    this.#ask("count");
    const [count] = (await answer) as [number];
    return count;
  }

  /** Closes the listener and ends the thread; resolves to its exit code. */
  end(): Promise<number> {
    this.#ask("close");
    return this.exited;
  }

  #ask(question: WorkerQuestion): void {
    this.#worker.postMessage(question);
  }
}

async function startThreads(
  t: TestContext,
  protocol: ListenerProtocol,
  websocketEngine: ListenerConfig["websocketEngine"],
): Promise<ListenerThread[]> {
  const threads: ListenerThread[] = [];
  t.after(() => Promise.all(threads.map((thread) => thread.end())));
  for (let threadIndex = 1; threadIndex <= WORKER_COUNT; threadIndex += 1) {
    const port = threads[0]?.port ?? 0;
    threads.push(await ListenerThread.start({ protocol, port, threadIndex, websocketEngine }));
  }
  return threads;
}

const UPGRADE = [
  "GET /mqtt HTTP/1.1",
  "Host: broker.test",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: mqtt",
  "\r\n",
].join("\r\n");

/**
 * Opens connections and waits until each is certainly accepted: connected, or its upgrade answered.
 */
async function openMany(
  t: TestContext,
  port: number,
  count: number,
  protocol: ListenerProtocol,
): Promise<void> {
  const opened = Array.from({ length: count }, async () => {
    const socket: Socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => {});
    t.after(() => socket.destroy());
    await once(socket, "connect");
    if (protocol !== "ws") return;
    socket.write(UPGRADE);
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString("latin1"), /^HTTP\/1.1 101/);
  });
  await Promise.all(opened);
}

async function counts(threads: readonly ListenerThread[], total: number): Promise<number[]> {
  for (;;) {
    const perThread = await Promise.all(threads.map((thread) => thread.connectionCount()));
    if (perThread.reduce((sum, count) => sum + count, 0) >= total) return perThread;
  }
}

const KINDS = [
  ["mqtt", "mqtt", "builtin"],
  ["ws", "ws", "builtin"],
  ["ws by uWebSockets.js", "ws", "uws"],
] as const;

for (const [name, protocol, engine] of KINDS) {
  const skip = !isSharing || (engine === "uws" && !hasUws);

  test(`port sharing: the kernel spreads ${name} connections over all workers`, {
    skip,
  }, async (t) => {
    const threads = await startThreads(t, protocol, engine);
    const port = threads[0]!.port;
    await openMany(t, port, CONNECTION_COUNT, protocol);
    const perThread = await counts(threads, CONNECTION_COUNT);
    for (const count of perThread) assert.ok(count > CONNECTION_COUNT / 10, `${perThread}`);
    const codes = await Promise.all(threads.map((thread) => thread.end()));
    assert.deepEqual(codes, [0, 0, 0, 0]);
  });

  test(`port sharing: a worker that ends leaves the others serving (${name})`, {
    skip,
  }, async (t) => {
    const threads = await startThreads(t, protocol, engine);
    const port = threads[0]!.port;
    assert.equal(await threads[0]!.end(), 0);
    const rest = threads.slice(1);
    await openMany(t, port, 100, protocol);
    await counts(rest, 100);
  });
}

test("port sharing: the Node versions that can do it themselves", () => {
  assert.equal(supportsReusePort("20.20.2"), false);
  assert.equal(supportsReusePort("22.11.0"), false);
  assert.equal(supportsReusePort("22.12.0"), true);
  assert.equal(supportsReusePort("23.0.0"), false);
  assert.equal(supportsReusePort("23.1.0"), true);
  assert.equal(supportsReusePort("26.10.0"), true);
});

const WAYS: readonly PortSharing[] = loadLibC() === null ? ["none"] : ["libc", "none"];

for (const way of WAYS) {
  test(`port sharing (${way}): IPv4, IPv6, both, and names are listened on`, async () => {
    for (const [host, dial] of [
      ["127.0.0.1", "127.0.0.1"],
      ["::1", "::1"],
      ["::", "127.0.0.1"],
      ["::", "::1"],
      ["0.0.0.0", "127.0.0.1"],
      ["localhost", "localhost"],
    ] as const) {
      const server = createServer((socket) => socket.end("hello"));
      const port = await listenShared(server, host, 0, way);
      assert.ok(port > 0);
      const socket = connect({ port, host: dial });
      const [bytes] = (await once(socket, "data")) as [Buffer];
      assert.equal(bytes.toString(), "hello", `${host} from ${dial}`);
      server.close();
      await once(server, "close");
    }
  });

  test(`port sharing (${way}): a port in use, a foreign address, an unknown name are errors with a code`, async (t) => {
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    t.after(() => other.close());
    const { port } = other.address() as { port: number };
    const listen = (host: string, wanted: number) =>
      listenShared(createServer(), host, wanted, way);
    await assert.rejects(listen("127.0.0.1", port), { code: "EADDRINUSE" });
    await assert.rejects(listen("192.0.2.1", 0), { code: "EADDRNOTAVAIL" });
    await assert.rejects(listen("no-such-host.invalid", 0), (error: { code?: string }) => {
      return error.code === "ENOTFOUND" || error.code === "EAI_AGAIN";
    });
  });
}

test("port sharing (libc): the descriptor is closed with its server", {
  skip: !loadLibC(),
}, async () => {
  const first = createServer();
  const port = await listenShared(first, "127.0.0.1", 0, "libc");
  const second = createServer();
  assert.equal(await listenShared(second, "127.0.0.1", port, "libc"), port);
  first.close();
  await once(first, "close");
  second.close();
  await once(second, "close");
  const exclusive = createServer();
  assert.equal(await listenShared(exclusive, "127.0.0.1", port, "none"), port);
  exclusive.close();
});
