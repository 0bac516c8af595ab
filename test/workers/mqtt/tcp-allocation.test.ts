import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { directOrigin } from "../../../src/workers/mqtt/accept-address.ts";
import { DeadlineList } from "../../../src/workers/mqtt/accept-deadlines.ts";
import { LimitedLog } from "../../../src/workers/mqtt/accept-log.ts";
import type { ListenerLane } from "../../../src/workers/mqtt/listener-lane.ts";
import { ChunkPool } from "../../../src/workers/mqtt/output-pool.ts";
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

test("tcp transport: gathering and flushing output allocates nothing per connection", {
  skip: allocatedBytes() === undefined && "this Node version does not count allocated bytes",
}, async (t) => {
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
  const payload = new Uint8Array(72);

  const cycle = (): void => {
    dirtyCount = 0;
    for (const { output } of transports) {
      const offset = output.reserve(payload.length);
      output.bytes.set(payload, offset);
    }
    for (let index = 0; index < dirtyCount; index += 1) dirty[index]!.flush();
  };
  for (let round = 0; round < CYCLE_COUNT; round += 1) cycle();
  const before = allocatedBytes() ?? 0;
  for (let round = 0; round < CYCLE_COUNT; round += 1) cycle();
  const perFlush = ((allocatedBytes() ?? 0) - before) / (CYCLE_COUNT * CONNECTION_COUNT);
  assert.equal(lane.pool.outstandingCount, 0);
  assert.ok(perFlush < BYTES_PER_FLUSH_MAX, `${perFlush} bytes per flush`);
});
