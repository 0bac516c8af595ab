import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { directOrigin } from "../../../src/workers/mqtt/accept-address.ts";
import { DeadlineList } from "../../../src/workers/mqtt/accept-deadlines.ts";
import { LimitedLog } from "../../../src/workers/mqtt/accept-log.ts";
import type { ListenerLane } from "../../../src/workers/mqtt/listener-lane.ts";
import { ChunkPool } from "../../../src/workers/mqtt/output-pool.ts";
import { SendBatch } from "../../../src/workers/mqtt/send-batch.ts";
import { StreamTransport } from "../../../src/workers/mqtt/tcp-transport.ts";
import type { Transport } from "../../../src/workers/mqtt/transport.ts";
import { LIMITS } from "./listener-fixture.ts";

const CONNECTION_COUNT = 200;
const CYCLE_COUNT = 1000;
/** The smallest object is larger: less per flush means none per flush. */
const BYTES_PER_FLUSH_MAX = 8;

interface HeapCounters {
  /** Absent before Node 26. */
  readonly total_allocated_bytes?: number;
}

function allocatedBytes(): number | undefined {
  return (getHeapStatistics() as HeapCounters).total_allocated_bytes;
}

/** A lane whose kernel takes everything, so that the measurement is about us alone. */
function greedyLane(dirty: Transport[]): ListenerLane {
  return {
    listenerId: "test-listener",
    protocol: "mqtt",
    acceptor: () => {},
    markDirty: (transport) => {
      dirty[dirtyCount] = transport;
      dirtyCount += 1;
    },
    pool: new ChunkPool(),
    counters: new Float64Array(64),
    log: new LimitedLog(
      () => {},
      () => 0,
    ),
    limits: LIMITS,
    handshakes: new DeadlineList(1000, () => {}),
    lingering: new DeadlineList(1000, () => {}),
    send: (_fd, _bytes, size) => size,
    useSharedReadBuffer: true,
  };
}

let dirtyCount = 0;

/** `batch`: for all connections, which then really send; null = each flushes for itself. */
async function measureFlushes(t: TestContext, batch: SendBatch | null): Promise<void> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const clients = Array.from({ length: CONNECTION_COUNT }, () => connect(port, "127.0.0.1"));
  while (accepted.length < CONNECTION_COUNT) await new Promise((resolve) => setImmediate(resolve));
  t.after(() => {
    for (const socket of [...clients, ...accepted]) socket.destroy();
  });
  const dirty: Transport[] = [];
  const lane = greedyLane(dirty);
  const client = { origin: directOrigin("127.0.0.1", 1), certificate: null };
  const transports = accepted.map((socket) => new StreamTransport(socket, lane, client));
  // Nobody reads meanwhile: the kernel must have room for all of it.
  const payload = new Uint8Array(8);

  const cycle = (): void => {
    dirtyCount = 0;
    for (const { output } of transports) {
      const offset = output.reserve(payload.length);
      output.bytes.set(payload, offset);
    }
    if (batch === null) {
      for (let index = 0; index < dirtyCount; index += 1) dirty[index]!.flush();
      return;
    }
    for (let index = 0; index < dirtyCount; index += 1) assert.ok(dirty[index]!.gather(batch));
    batch.submit();
    for (let index = 0; index < dirtyCount; index += 1) dirty[index]!.settle(batch.taken(index));
  };
  for (let round = 0; round < CYCLE_COUNT; round += 1) cycle();
  const before = allocatedBytes() ?? 0;
  for (let round = 0; round < CYCLE_COUNT; round += 1) cycle();
  const perFlush = ((allocatedBytes() ?? 0) - before) / (CYCLE_COUNT * CONNECTION_COUNT);
  assert.equal(lane.pool.outstandingCount, 0, "the kernel took everything");
  assert.ok(perFlush < BYTES_PER_FLUSH_MAX, `${perFlush} bytes per flush`);
}

const skip = allocatedBytes() === undefined && "this Node version does not count allocated bytes";

test(
  "tcp transport: gathering and flushing output allocates nothing per connection",
  {
    skip,
  },
  (t) => measureFlushes(t, null),
);

test("tcp transport: sending output in batches allocates nothing per connection", {
  skip,
}, async (t) => {
  const batch = SendBatch.open();
  if (batch === null) {
    t.skip("this machine has no io_uring, or forbids it");
    return;
  }
  t.after(() => batch.close());
  await measureFlushes(t, batch);
});
