/**
 * Rings, queues, parking and bells between real threads. Every record's sequence number and every
 * byte is checked. A lost wake-up leaves all threads asleep and shows as a missed deadline.
 */

import assert from "node:assert/strict";
import { extname } from "node:path";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  bellsToTransfer,
  createRingMesh,
  type MeshEndpoint,
  type PeerReplacement,
  type RingMesh,
} from "../../src/main/ring-mesh.ts";
import { until, withDeadline } from "../helpers/deadline.ts";
import {
  FIRST_INCARNATION,
  type RaceBoot,
  type RaceReport,
  RaceThread,
} from "./ring-race-thread.ts";

const WORKER_URL = new URL(`./ring-race-worker${extname(import.meta.url)}`, import.meta.url);
/** Thirty times what a run takes on two loaded cores. */
const DEADLINE_MS = 60_000;
/** Holds about 1500 of the race's records: full again and again. */
const SMALL_RING = 64 * 1024;
/** Alternating, streaming, and far beyond the ring. */
const MIXED = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 8000];
/** Each record waits for the one before, or nearly: everybody sleeps all the time. */
const SLEEPY = [1, 1, 2, 3];

type RaceSetup = Omit<RaceBoot, "threadIndex" | "inbound" | "outbound" | "bells">;

/** What `thread` of two does that send each other the same number of records. */
function evenSetup(thread: number, count: number, windows: readonly number[]): RaceSetup {
  return {
    incarnation: FIRST_INCARNATION,
    peers: [3 - thread],
    sendCount: count,
    receiveCount: count,
    windows,
    acknowledges: "soon",
  };
}

/** What `thread` of three does, main among them, each with each. */
function meshSetup(thread: number, incarnation: number, count: number): RaceSetup {
  const peers = [0, 1, 2].filter((peer) => peer !== thread);
  return { ...evenSetup(thread, count, MIXED), incarnation, peers };
}

class RaceWorker {
  /** The first report; rejects when the worker throws. */
  readonly finished: Promise<RaceReport>;
  readonly #worker: Worker;

  constructor(threadIndex: number, endpoint: MeshEndpoint, setup: RaceSetup) {
    this.#worker = new Worker(WORKER_URL, {
      workerData: { threadIndex, ...endpoint, ...setup },
      transferList: bellsToTransfer(endpoint),
    });
    this.finished = new Promise((resolve, reject) => {
      this.#worker.once("message", resolve);
      this.#worker.once("error", reject);
    });
    this.finished.catch(() => {});
  }

  replacePeer(replacement: PeerReplacement, incarnation: number): void {
    this.#worker.postMessage({ ...replacement, incarnation }, [replacement.bell]);
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Main as a thread of the race. */
class RaceMain {
  readonly thread: RaceThread;
  readonly finished: Promise<RaceReport>;

  constructor(endpoint: MeshEndpoint, setup: RaceSetup) {
    let resolve: (report: RaceReport) => void = () => {};
    this.finished = new Promise((resolveFinished) => {
      resolve = resolveFinished;
    });
    this.thread = new RaceThread({ threadIndex: 0, ...endpoint, ...setup }, resolve);
  }
}

function smallMesh(workerCount: number, ringBytes: number): RingMesh {
  return createRingMesh(workerCount, { workerRingBytes: ringBytes, mainRingBytes: ringBytes });
}

function sum(reports: readonly RaceReport[], field: keyof RaceReport): number {
  return reports.reduce((total, report) => total + report[field], 0);
}

async function allReports(finished: readonly Promise<RaceReport>[]): Promise<RaceReport[]> {
  return withDeadline(
    Promise.all(finished),
    "the threads to finish: a wake-up was lost",
    DEADLINE_MS,
  );
}

/** Two workers, main looking on. */
async function raceOfTwo(
  context: TestContext,
  setups: readonly [RaceSetup, RaceSetup],
): Promise<RaceReport[]> {
  const mesh = smallMesh(2, SMALL_RING);
  const workers = setups.map((setup, index) => {
    return new RaceWorker(index + 1, mesh.endpoint(index + 1), setup);
  });
  context.after(async () => {
    mesh.close();
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
  const reports = await allReports(workers.map((worker) => worker.finished));
  context.diagnostic(JSON.stringify(reports));
  assert.deepEqual(
    reports.map((report) => report.received),
    setups.map((setup) => setup.receiveCount),
  );
  return reports;
}

test("ring race: ten million records between two workers, ring empty and full", async (context) => {
  const reports = await raceOfTwo(context, [
    evenSetup(1, 5_000_000, MIXED),
    evenSetup(2, 5_000_000, MIXED),
  ]);
  assert.ok(sum(reports, "fulls") > 10, "rings were full");
  assert.ok(sum(reports, "large") > 100, "large messages went in parts");
});

test("ring race: two workers that keep falling asleep are woken each time", async (context) => {
  const reports = await raceOfTwo(context, [
    evenSetup(1, 200_000, SLEEPY),
    evenSetup(2, 200_000, SLEEPY),
  ]);
  assert.ok(sum(reports, "parks") > 1000, "threads went to sleep");
  assert.ok(sum(reports, "wakes") > 1000, "bells woke them");
});

test("ring race: a sender asleep before a full ring is woken by room", async (context) => {
  const count = 1_000_000;
  const windows = [count];
  const reports = await raceOfTwo(context, [
    { ...evenSetup(1, count, windows), receiveCount: 0 },
    { ...evenSetup(2, count, windows), sendCount: 0, acknowledges: "late" },
  ]);
  assert.ok(sum(reports.slice(0, 1), "fulls") > 10, "the ring was full");
  assert.ok(sum(reports.slice(0, 1), "parks") > 10, "the sender went to sleep");
});

test("ring race: main and two workers, each with each, through rings of 2 KiB", async (context) => {
  const count = 100_000;
  const mesh = smallMesh(2, 2048);
  const main = new RaceMain(mesh.endpoint(0), meshSetup(0, FIRST_INCARNATION, count));
  const workers = [1, 2].map((thread) => {
    const setup = meshSetup(thread, FIRST_INCARNATION, count);
    return new RaceWorker(thread, mesh.endpoint(thread), setup);
  });
  context.after(async () => {
    main.thread.close();
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
  const reports = await allReports([main.finished, ...workers.map((worker) => worker.finished)]);
  context.diagnostic(JSON.stringify(reports));
  assert.deepEqual(
    reports.map((report) => report.received),
    [2 * count, 2 * count, 2 * count],
  );
  assert.ok(sum(reports, "fulls") > 10, "rings were full");
});

test("ring race: a worker that dies is replaced, the others go on", async (context) => {
  const count = 60_000;
  const mesh = smallMesh(2, 4096);
  const main = new RaceMain(mesh.endpoint(0), meshSetup(0, FIRST_INCARNATION, count));
  const dying = new RaceWorker(1, mesh.endpoint(1), meshSetup(1, FIRST_INCARNATION, count));
  const other = new RaceWorker(2, mesh.endpoint(2), meshSetup(2, FIRST_INCARNATION, count));
  const workers = [dying, other];
  context.after(async () => {
    main.thread.close();
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
  await until(() => main.thread.receivedFrom(1) > 1000, "some traffic");
  await dying.terminate();
  assert.ok(main.thread.receivedFrom(1) < count, "it died amid the traffic");
  const incarnation = FIRST_INCARNATION + 1;
  const { endpoint, peers } = mesh.replace(1);
  const restarted = new RaceWorker(1, endpoint, meshSetup(1, incarnation, count));
  workers.push(restarted);
  for (const replacement of peers) {
    if (replacement.thread === 0) main.thread.replacePeer({ ...replacement, incarnation });
    else other.replacePeer(replacement, incarnation);
  }
  const reports = await allReports([main.finished, restarted.finished, other.finished]);
  assert.deepEqual(
    reports.map((report) => report.received),
    [2 * count, 2 * count, 2 * count],
  );
});
