/**
 * Records travel without garbage: measured by V8's counter of bytes ever allocated, which Node 20
 * lacks. The gate is 8 bytes per record: below the smallest object, above the counter's own noise.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { assert as holds } from "../../../src/shared/base/assert.ts";
import { RING_FULL } from "../../../src/shared/ring/ring-endpoint.ts";
import { createRing } from "../../../src/shared/ring/ring-layout.ts";
import { RingPort } from "../../../src/shared/ring/ring-port.ts";

const MAX_BYTES_PER_RECORD = 8;
const RECORDS = 200_000;
const BATCH = 100;
const TYPE = 1;

/** Undefined where this Node has no such counter. */
function allocatedBytes(): number | undefined {
  const total: unknown = Reflect.get(getHeapStatistics(), "total_allocated_bytes");
  return typeof total === "number" ? total : undefined;
}

const skip = allocatedBytes() === undefined ? "this Node does not count allocated bytes" : false;

/**
 * Two threads' ports over fresh rings, and a round: a batch sent, flushed, drained, both parked and
 * woken.
 */
function round(send: (port: RingPort, record: number) => void): () => void {
  const [self0, to1, to0, self1] = [0, 1, 2, 3].map(() => createRing(64 * 1024));
  const ringBell = (): void => {};
  const inbound = [self0!, to0!];
  const sender = new RingPort({ threadIndex: 0, inbound, outbound: [self0!, to1!], ringBell });
  const outbound = [to0!, self1!];
  const receiver = new RingPort({ threadIndex: 1, inbound: [to1!, self1!], outbound, ringBell });
  let received = 0;
  receiver.setHandler(TYPE, (bytes, offset) => {
    received += bytes[offset]!;
  });
  return () => {
    received = 0;
    for (let record = 0; record < BATCH; record += 1) send(sender, record);
    sender.flush();
    sender.tryPark();
    receiver.unpark();
    receiver.drain(BATCH);
    receiver.flush();
    receiver.tryPark();
    holds(received === (BATCH * (BATCH - 1)) / 2, "all arrived");
  };
}

/** The least of some passes: the compiler allocates in the first ones, records would in each. */
function bytesPerRecord(run: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < 8; pass += 1) {
    const before = allocatedBytes() ?? 0;
    for (let sent = 0; sent < RECORDS; sent += BATCH) run();
    least = Math.min(least, ((allocatedBytes() ?? 0) - before) / RECORDS);
  }
  return least;
}

test("allocation: claim, commit and drain allocate nothing", { skip }, (context) => {
  const run = round((port, record) => {
    const offset = port.tryClaim(1, TYPE, 64);
    holds(offset !== RING_FULL, "there is room");
    port.claimBytes[offset] = record;
    port.commit();
  });
  const found = bytesPerRecord(run);
  context.diagnostic(`${found.toFixed(2)} bytes per record`);
  assert.ok(found < MAX_BYTES_PER_RECORD, `${found.toFixed(1)} bytes per record`);
});

test("allocation: enqueue of a short record allocates nothing", { skip }, (context) => {
  const bytes = new Uint8Array(32);
  const run = round((port, record) => {
    bytes[0] = record;
    port.enqueue(1, TYPE, bytes, 0, bytes.length);
  });
  const found = bytesPerRecord(run);
  context.diagnostic(`${found.toFixed(2)} bytes per record`);
  assert.ok(found < MAX_BYTES_PER_RECORD, `${found.toFixed(1)} bytes per record`);
});
