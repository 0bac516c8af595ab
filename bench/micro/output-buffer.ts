/**
 * What output costs before the kernel: reserve room, copy a delivery in, flush, hand the chunk
 * over; 500 connections in turns as in a fan-out.
 *
 *     node <build>/bench/micro/output-buffer.js [--rounds 8] [--operations 2000000]
 *
 * Prints the third-fastest round: noise only ever makes a round slower, and the fastest may be
 * luck.
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ChunkedOutput } from "../../src/workers/mqtt/output-buffer.ts";
import { ChunkPool } from "../../src/workers/mqtt/output-pool.ts";

const CONNECTIONS = 500;

export interface OutputResult {
  readonly name: string;
  readonly nanosPerDelivery: number;
  /** Sum over the first byte of every delivery handed over; equals the operations. */
  readonly checksum: number;
}

interface Case {
  readonly name: string;
  readonly deliveryBytes: number;
  /** Deliveries per connection and flush. */
  readonly perFlush: number;
}

const CASES: readonly Case[] = [
  { name: "85 B, 1 per flush", deliveryBytes: 85, perFlush: 1 },
  { name: "85 B, 64 per flush", deliveryBytes: 85, perFlush: 64 },
  { name: "4 KiB, 1 per flush", deliveryBytes: 4117, perFlush: 1 },
  { name: "4 KiB, 64 per flush", deliveryBytes: 4117, perFlush: 64 },
];

/** Runs every case `rounds` times `operations` deliveries. */
export function run(rounds: number, operations: number): OutputResult[] {
  return CASES.map((one) => measure(one, rounds, operations));
}

function measure(one: Case, rounds: number, operations: number): OutputResult {
  const pool = new ChunkPool();
  const outputs = Array.from(
    { length: CONNECTIONS },
    () => new ChunkedOutput<null>(pool, () => {}, null),
  );
  const times: number[] = [];
  let checksum = 0;
  for (let round = 0; round < rounds; round += 1) {
    const startMs = performance.now();
    checksum = deliver(outputs, pool, one, operations);
    times.push(((performance.now() - startMs) * 1e6) / operations);
  }
  times.sort((left, right) => left - right);
  const nanosPerDelivery = times[Math.min(2, times.length - 1)] ?? Number.NaN;
  return { name: one.name, nanosPerDelivery, checksum };
}

function deliver(
  outputs: readonly ChunkedOutput<null>[],
  pool: ChunkPool,
  { deliveryBytes, perFlush }: Case,
  operations: number,
): number {
  const packet = new Uint8Array(deliveryBytes).fill(1);
  let checksum = 0;
  let done = 0;
  while (done < operations) {
    for (let index = 0; index < outputs.length && done < operations; index += 1) {
      const output = outputs[index]!;
      for (let count = 0; count < perFlush && done < operations; count += 1) {
        // In this order: `reserve` may change `bytes`.
        const offset = output.reserve(deliveryBytes);
        output.bytes.set(packet, offset);
        done += 1;
      }
      checksum += handOver(output, pool, deliveryBytes);
    }
  }
  return checksum;
}

function handOver(output: ChunkedOutput<null>, pool: ChunkPool, deliveryBytes: number): number {
  let checksum = 0;
  output.markFlushed();
  while (output.waitingSize > 0) {
    const end = output.headStart + output.headWaiting;
    for (let at = output.headStart; at < end; at += deliveryBytes) {
      checksum += output.headBytes[at]!;
    }
    pool.release(output.takeHead());
  }
  return checksum;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "8" },
      operations: { type: "string", default: "2000000" },
    },
  });
  for (const one of run(Number(values.rounds), Number(values.operations))) {
    const nanos = one.nanosPerDelivery.toFixed(1).padStart(8);
    console.log(`${nanos} ns/delivery  ${one.name}  (checksum ${one.checksum})`);
  }
}
