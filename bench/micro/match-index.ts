/**
 * What a million topic filters cost in the match index of one worker: bytes per filter,
 * microseconds per match. The goals are 250 bytes where only other workers have subscribers, and 2
 * µs (a five-level topic).
 *
 *     node <build>/bench/micro/match-index.js [--seconds 4] [--filters 1000000]
 *
 * "routes" is what every worker pays for every filter of the node; "subscriptions" has one local
 * subscriber each, whose own Subscription counts too. Topics are drawn at random, so that every
 * match meets cold memory.
 */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RouteOp } from "../../src/shared/dist/route-command.ts";
import { FIXED_HASH_KEY } from "../../src/shared/topic/level-hash.ts";
import { MatchIndex } from "../../src/workers/dist/match-index.ts";
import { workerChange } from "../../src/workers/dist/route-changes.ts";
import { RouteTable } from "../../src/workers/dist/route-table.ts";
import { type LocalReceiver, Subscription } from "../../src/workers/dist/subscription.ts";

const TENANT = "bench";
const OTHER_WORKER = 2;
const SELF = 1;
const TOPICS_PER_BATCH = 8192;
const TOPIC_SIZE_MAX = 64;

const encoder = new TextEncoder();

export interface MatchIndexResult {
  readonly workload: string;
  readonly filters: number;
  /** Growth of V8's heap and external memory, after a full collection. */
  readonly bytesPerFilter: number;
  readonly addMicros: number;
  /** Median of the batches. */
  readonly matchMicros: number;
  /** Sum of all matches of the first batch: one filter per topic. */
  readonly checksum: number;
}

/** Numbers 0 .. bound-1 in an order without pattern, the same on every run. */
class Sequence {
  #state = 0x2545_f491;

  next(bound: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % bound;
  }
}

const RECEIVER: LocalReceiver = {
  clientId: "subscriber",
  matchStamp: 0,
  matchQos: 0,
  matchRetain: false,
  matchIdentifiers: null,
  mergedIdentifiers: null,
  deliver: () => {},
  deliverRun: () => true,
};
const OPTIONS = { qos: 0, noLocal: false, retainAsPublished: false, subscriptionIdentifier: 0 };

/** Five levels, no two filters alike. */
function filterOf(index: number): string {
  return `site/${index % 100}/device/${index}/temp`;
}

function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Adds the filter numbered `index` the way its workload does. */
type Add = (index: number) => void;

function addRoutes(index: MatchIndex): Add {
  const table = new RouteTable(index);
  return (number) => {
    const change = workerChange(RouteOp.ADD_WORKER, TENANT, filterOf(number));
    table.apply(change, OTHER_WORKER, null);
  };
}

function addSubscriptions(index: MatchIndex): Add {
  const table = new RouteTable(index);
  return (number) => {
    const filter = filterOf(number);
    const subscription = new Subscription(RECEIVER, filter, filter, null, OPTIONS);
    index.ensure(TENANT, filter).local = subscription;
    table.apply(workerChange(RouteOp.ADD_WORKER, TENANT, filter), SELF, null);
  };
}

const WORKLOADS: readonly (readonly [string, (index: MatchIndex) => Add])[] = [
  ["routes", addRoutes],
  ["subscriptions", addSubscriptions],
];

/**
 * A batch of random topics in one flat array, so that finding the topic is not what is measured.
 */
class TopicBatch {
  readonly #bytes = new Uint8Array(TOPICS_PER_BATCH * TOPIC_SIZE_MAX);
  readonly #lengths = new Int32Array(TOPICS_PER_BATCH);

  fill(filters: number, sequence: Sequence): void {
    for (let at = 0; at < TOPICS_PER_BATCH; at += 1) {
      const target = this.#bytes.subarray(at * TOPIC_SIZE_MAX, (at + 1) * TOPIC_SIZE_MAX);
      this.#lengths[at] = encoder.encodeInto(filterOf(sequence.next(filters)), target).written;
    }
  }

  /** Matches every topic and reads every entry found; returns how many those were. */
  match(index: MatchIndex): number {
    let sum = 0;
    for (let at = 0; at < TOPICS_PER_BATCH; at += 1) {
      const offset = at * TOPIC_SIZE_MAX;
      const count = index.match(TENANT, this.#bytes, offset, this.#lengths[at] ?? 0);
      for (let found = 0; found < count; found += 1) {
        const entry = index.matched(found);
        if (index.matchedWorkersLow(found) !== 0 || entry !== null) sum += 1;
      }
    }
    return sum;
  }
}

function measure(workload: number, filters: number, seconds: number): MatchIndexResult {
  const [name, build] = WORKLOADS[workload] ?? ["", addRoutes];
  const before = usedBytes();
  const index = new MatchIndex(FIXED_HASH_KEY);
  const add = build(index);
  const addStart = performance.now();
  for (let number = 0; number < filters; number += 1) add(number);
  const addMicros = ((performance.now() - addStart) * 1000) / filters;
  const bytesPerFilter = (usedBytes() - before) / filters;
  const batch = new TopicBatch();
  const sequence = new Sequence();
  batch.fill(filters, sequence);
  const checksum = batch.match(index);
  const samples: number[] = [];
  const deadline = performance.now() + seconds * 1000;
  do {
    batch.fill(filters, sequence);
    const start = performance.now();
    batch.match(index);
    samples.push(((performance.now() - start) * 1000) / TOPICS_PER_BATCH);
  } while (performance.now() < deadline);
  const sorted = samples.sort((left, right) => left - right);
  const matchMicros = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return { workload: name, filters, bytesPerFilter, addMicros, matchMicros, checksum };
}

/**
 * All workloads in this process; bytes are exact only with `--expose-gc`, and for one workload per
 * process.
 */
export function run(seconds: number, filters: number): MatchIndexResult[] {
  return WORKLOADS.map((_, workload) => measure(workload, filters, seconds / WORKLOADS.length));
}

function argument(name: string, fallback: number): number {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

function runInProcesses(script: string): void {
  WORKLOADS.forEach((_, workload) => {
    const own = ["--expose-gc", script, "--workload", String(workload)];
    const child = spawnSync(process.execPath, [...own, ...process.argv.slice(2)], {
      stdio: "inherit",
    });
    if (child.status !== 0) process.exitCode = 1;
  });
}

function runOne(workload: number): void {
  const seconds = argument("--seconds", 4) / WORKLOADS.length;
  const result = measure(workload, argument("--filters", 1_000_000), seconds);
  const { bytesPerFilter, addMicros, matchMicros } = result;
  console.log(
    `${result.workload}: ${result.filters} filters, ${bytesPerFilter.toFixed(0)} bytes/filter, ` +
      `add ${addMicros.toFixed(2)} µs, match ${matchMicros.toFixed(2)} µs`,
  );
  const { version, arch, platform } = process;
  console.log(JSON.stringify({ environment: { version, arch, platform }, result }));
}

const script = fileURLToPath(import.meta.url);
if (process.argv[1] === script) {
  const workload = argument("--workload", -1);
  if (workload < 0) runInProcesses(script);
  else runOne(workload);
}
