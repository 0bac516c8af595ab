/**
 * What a record costs on its way between two threads: claim, copy in, commit, bell, drain; 64 bytes
 * of payload. Beside it the same within one thread, where nothing is waited for.
 *
 *     node <build>/bench/micro/ring.js [--seconds 2]
 *
 * Prints nanoseconds per record and records per second. Between threads the slower end sets the
 * pace, so the figure is a throughput, not a latency.
 */

import { extname, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { bellsToTransfer, createRingMesh } from "../../src/main/ring-mesh.ts";
import { RING_FULL } from "../../src/shared/ring/ring-endpoint.ts";
import { createRing } from "../../src/shared/ring/ring-layout.ts";
import { RingPort } from "../../src/shared/ring/ring-port.ts";
import { BENCH_TYPE, type SenderBoot } from "./ring-sender.ts";

const SENDER_URL = new URL(`./ring-sender${extname(import.meta.url)}`, import.meta.url);
const RECORD_SIZE = 64;
const BATCH_SIZE = 256;
const RING_CAPACITY = 1024 * 1024;

export interface RingResult {
  readonly name: string;
  readonly records: number;
  readonly nanosPerRecord: number;
  readonly recordsPerSecond: number;
  /** Times the receiver went to sleep, and was woken. */
  readonly parks: number;
  /** One per record arrived whole; equals `records`. */
  readonly checksum: number;
}

function result(name: string, tally: Tally, elapsedMs: number): RingResult {
  const { records, parks, checksum } = tally;
  const nanosPerRecord = (elapsedMs * 1e6) / records;
  const recordsPerSecond = Math.round((records / elapsedMs) * 1000);
  return { name, records, nanosPerRecord, recordsPerSecond, parks, checksum };
}

class Tally {
  records = 0;
  parks = 0;
  checksum = 0;

  count(port: RingPort): void {
    port.setHandler(BENCH_TYPE, (bytes, offset, length) => {
      this.records += 1;
      this.checksum += bytes[offset]! & bytes[offset + length - 1]!;
    });
  }

  reset(): void {
    this.records = 0;
    this.parks = 0;
    this.checksum = 0;
  }
}

/** A worker sends, this thread receives; a tenth of the time warms up. */
async function betweenThreads(seconds: number): Promise<RingResult> {
  const mesh = createRingMesh(1, { mainRingBytes: RING_CAPACITY });
  const { bells, ...rings } = mesh.endpoint(0);
  const port = new RingPort({
    threadIndex: 0,
    ...rings,
    ringBell: (target) => bells[target]?.postMessage(0),
  });
  const tally = new Tally();
  tally.count(port);
  let isStopped = false;
  let isAwake = false;
  const cycle = (): void => {
    port.unpark();
    port.drain(BATCH_SIZE);
    port.flush();
    isAwake = !isStopped && !port.tryPark();
    if (isAwake) setImmediate(cycle);
    else tally.parks += 1;
  };
  const wake = (): void => {
    if (!isAwake) cycle();
  };
  for (const bell of bells) bell?.on("message", wake);
  const endpoint = mesh.endpoint(1);
  const boot: SenderBoot = { ...endpoint, recordSize: RECORD_SIZE, batchSize: BATCH_SIZE };
  const worker = new Worker(SENDER_URL, {
    workerData: boot,
    transferList: bellsToTransfer(endpoint),
  });
  await delay(seconds * 100 + 100);
  tally.reset();
  const startMs = performance.now();
  await delay(seconds * 1000);
  const found = result("between two threads", tally, performance.now() - startMs);
  isStopped = true;
  await worker.terminate();
  for (const bell of bells) bell?.close();
  return found;
}

function delay(durationMs: number): Promise<void> {
  return new Promise((resolveDelay) => setTimeout(resolveDelay, durationMs));
}

/** Loopback: batches of claims, then a drain. */
function withinOneThread(seconds: number): RingResult {
  const ring = createRing(RING_CAPACITY);
  const port = new RingPort({ threadIndex: 0, inbound: [ring], outbound: [ring], ringBell() {} });
  const tally = new Tally();
  tally.count(port);
  const payload = new Uint8Array(RECORD_SIZE).fill(1);
  const runFor = (durationMs: number): number => {
    const startMs = performance.now();
    while (performance.now() - startMs < durationMs) {
      for (let sent = 0; sent < BATCH_SIZE; sent += 1) {
        const offset = port.tryClaim(0, BENCH_TYPE, RECORD_SIZE);
        if (offset === RING_FULL) break;
        port.claimBytes.set(payload, offset);
        port.commit();
      }
      port.flush();
      port.drain(BATCH_SIZE);
    }
    return performance.now() - startMs;
  };
  runFor(seconds * 100);
  tally.reset();
  return result("within one thread", tally, runFor(seconds * 1000));
}

/** Runs both for `seconds` each. */
export async function run(seconds: number): Promise<RingResult[]> {
  return [await betweenThreads(seconds), withinOneThread(seconds)];
}

function print({ name, nanosPerRecord, recordsPerSecond, parks, checksum }: RingResult): void {
  const speed = `${nanosPerRecord.toFixed(1)} ns/record  ${recordsPerSecond} records/s`;
  console.log(`${name.padEnd(20)} ${speed}  parks ${parks}  checksum ${checksum}`);
}

if (resolve(process.argv[1] ?? "") === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { seconds: { type: "string", default: "2" } } });
  for (const one of await run(Number(values.seconds))) print(one);
}
