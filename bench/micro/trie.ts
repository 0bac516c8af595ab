/**
 * What a million topic filters cost: bytes per filter, nanoseconds per match, and the longest pause
 * of an insertion; the same for a million retained topics. The goals are 250 bytes and 2 µs (a
 * five-level topic, Node 20).
 *
 *     node <build>/bench/micro/trie.js [--seconds 8] [--filters 1000000]
 *
 * Topics are drawn at random over all filters, so that every match meets cold memory, as it does in
 * a broker where each device has its own topic. Times are taken over blocks of 16 matches, because
 * a clock reading costs about 40 ns.
 */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { FilterTrie } from "../../src/shared/topic/filter-trie.ts";
import { RetainedTrie } from "../../src/shared/topic/retained-trie.ts";

const TENANT = "bench";
const BLOCK = 16;
const BLOCKS_PER_BATCH = 512;
/** Longest topic made here, generously. */
const TOPIC_SIZE_MAX = 64;

const encoder = new TextEncoder();

/** A kind of filter, and topics that match the one numbered `index` and no other. */
interface Workload {
  readonly name: string;
  filter(index: number): string;
  topic(index: number): string;
}

const DEVICES: Workload = {
  name: "site/<i%100>/device/<i>/temp",
  filter: (index) => `site/${index % 100}/device/${index}/temp`,
  topic: (index) => `site/${index % 100}/device/${index}/temp`,
};
const WILDCARDS: Workload = {
  name: "a/<i>/+/b/#",
  filter: (index) => `a/${index}/+/b/#`,
  topic: (index) => `a/${index}/x/b/c`,
};
const MIX: Workload = {
  name: "half and half",
  filter: (index) => (index % 2 === 0 ? DEVICES : WILDCARDS).filter(index),
  topic: (index) => (index % 2 === 0 ? DEVICES : WILDCARDS).topic(index),
};

export interface Percentiles {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface TrieResult {
  readonly workload: string;
  readonly entries: number;
  /** Typed arrays of the trie. */
  readonly ownBytesPerEntry: number;
  /** Growth of the whole process: resident memory, and V8's heap plus external memory. */
  readonly residentBytesPerEntry: number;
  readonly heapBytesPerEntry: number;
  readonly insertMicros: Percentiles;
  readonly matchNanos: Percentiles;
  /** Same on every run with the same parameters, whatever the machine. */
  readonly checksum: number;
}

function percentiles(samples: ArrayLike<number>): Percentiles {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const mean = sorted.reduce((sum, sample) => sum + sample, 0) / sorted.length;
  return { mean, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
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

interface Memory {
  readonly resident: number;
  readonly heap: number;
}

function memory(): Memory {
  globalThis.gc?.();
  const usage = process.memoryUsage();
  return { resident: usage.rss, heap: usage.heapUsed + usage.external };
}

/**
 * Times `insert(index)` for each entry, into `micros`: made beforehand, so that it does not count
 * as the trie's.
 */
function timeInserts(micros: Float64Array, insert: (index: number) => void): void {
  for (let index = 0; index < micros.length; index++) {
    const start = performance.now();
    insert(index);
    micros[index] = (performance.now() - start) * 1000;
  }
}

type Match = (topic: Uint8Array, offset: number, length: number) => number;

/** A block of topics in one flat array, so that finding the topic is not what is measured. */
class TopicBatch {
  readonly #bytes = new Uint8Array(BLOCKS_PER_BATCH * BLOCK * TOPIC_SIZE_MAX);
  readonly #lengths = new Int32Array(BLOCKS_PER_BATCH * BLOCK);

  fill(text: () => string): void {
    for (let index = 0; index < this.#lengths.length; index++) {
      const target = this.#bytes.subarray(index * TOPIC_SIZE_MAX, (index + 1) * TOPIC_SIZE_MAX);
      this.#lengths[index] = encoder.encodeInto(text(), target).written;
    }
  }

  /** Adds nanoseconds per match, one sample per block, and returns the sum of the results. */
  time(match: Match, nanos: number[]): number {
    let sum = 0;
    for (let block = 0; block < this.#lengths.length; block += BLOCK) {
      const start = performance.now();
      for (let index = block; index < block + BLOCK; index++) {
        sum += match(this.#bytes, index * TOPIC_SIZE_MAX, this.#lengths[index]!);
      }
      nanos.push(((performance.now() - start) * 1e6) / BLOCK);
    }
    return sum;
  }
}

/** At least one batch, then as many as fit; the first batch warms up and gives the checksum. */
function timeMatches(match: Match, topic: () => string, seconds: number): [Percentiles, number] {
  const batch = new TopicBatch();
  batch.fill(topic);
  const checksum = batch.time(match, []);
  const nanos: number[] = [];
  const deadline = performance.now() + seconds * 1000;
  do {
    batch.fill(topic);
    batch.time(match, nanos);
  } while (performance.now() < deadline);
  return [percentiles(nanos), checksum];
}

function benchFilters(workload: Workload, entries: number, seconds: number): TrieResult {
  const micros = new Float64Array(entries);
  const before = memory();
  const trie = new FilterTrie();
  const scratch = new Uint8Array(TOPIC_SIZE_MAX);
  timeInserts(micros, (index) => {
    const { written } = encoder.encodeInto(workload.filter(index), scratch);
    trie.insert(trie.tenantRoot(TENANT), scratch, 0, written);
  });
  const after = memory();
  const sequence = new Sequence();
  const root = trie.findTenant(TENANT);
  const [matchNanos, checksum] = timeMatches(
    (topic, offset, length) => trie.match(root, topic, offset, length),
    () => workload.topic(sequence.next(entries)),
    seconds,
  );
  return {
    workload: `filters ${workload.name}`,
    entries,
    ownBytesPerEntry: trie.memoryBytes / entries,
    residentBytesPerEntry: (after.resident - before.resident) / entries,
    heapBytesPerEntry: (after.heap - before.heap) / entries,
    insertMicros: percentiles(micros),
    matchNanos,
    checksum,
  };
}

function benchRetained(entries: number, seconds: number): TrieResult {
  // One value for all: what is measured is the trie, not the messages.
  const value = {};
  const micros = new Float64Array(entries);
  const before = memory();
  const trie = new RetainedTrie<object>();
  timeInserts(micros, (index) => {
    trie.set(TENANT, encoder.encode(DEVICES.topic(index)), value);
  });
  const after = memory();
  const sequence = new Sequence();
  const [matchNanos, checksum] = timeMatches(
    (topic, offset, length) =>
      trie.get(TENANT, topic.subarray(offset, offset + length)) === null ? 0 : 1,
    () => DEVICES.topic(sequence.next(entries)),
    seconds / 2,
  );
  return {
    workload: `retained get ${DEVICES.name}`,
    entries,
    ownBytesPerEntry: trie.memoryBytes / entries,
    residentBytesPerEntry: (after.resident - before.resident) / entries,
    heapBytesPerEntry: (after.heap - before.heap) / entries,
    insertMicros: percentiles(micros),
    matchNanos,
    checksum: checksum + scanAll(trie),
  };
}

/**
 * Reads everything by one scan, as a subscription to `#` does; returns how many topics that were.
 */
function scanAll(trie: RetainedTrie<object>): number {
  const scan = trie.scan(TENANT, encoder.encode("#"));
  const batch: object[] = [];
  let count = 0;
  for (let isEnd = false; !isEnd; batch.length = 0) {
    isEnd = scan.next(1000, batch);
    count += batch.length;
  }
  return count;
}

const BENCHMARKS: readonly ((entries: number, seconds: number) => TrieResult)[] = [
  (entries, seconds) => benchFilters(MIX, entries, seconds),
  (entries, seconds) => benchFilters(DEVICES, entries, seconds),
  (entries, seconds) => benchFilters(WILDCARDS, entries, seconds),
  benchRetained,
];

/** Runs everything for about `seconds` of matching, besides building the tries. */
export function run(seconds: number, entries = 1_000_000): TrieResult[] {
  return BENCHMARKS.map((bench) => bench(entries, seconds / BENCHMARKS.length));
}

function row(label: string, { mean, p50, p90, p99, max }: Percentiles): string {
  const cells = [mean, p50, p90, p99, max].map((value) => value.toFixed(value < 10 ? 2 : 0));
  return `  ${label.padEnd(14)}${cells.map((cell) => cell.padStart(9)).join("")}`;
}

function describe(result: TrieResult): string {
  const { workload, entries, checksum } = result;
  const bytes = [result.ownBytesPerEntry, result.residentBytesPerEntry, result.heapBytesPerEntry];
  const [own, resident, heap] = bytes.map((value) => value.toFixed(0));
  return [
    `${workload}: ${entries} entries, checksum ${checksum}`,
    `  bytes/entry   ${own} own, ${resident} resident, ${heap} heap and external`,
    `${" ".repeat(16)}${["mean", "p50", "p90", "p99", "max"].map((name) => name.padStart(9)).join("")}`,
    row("insert µs", result.insertMicros),
    row("match ns", result.matchNanos),
  ].join("\n");
}

function argument(name: string, fallback: number): number {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

/**
 * One process per benchmark: memory that one trie gave back would otherwise be counted as the next
 * one's gain.
 */
function runInProcesses(script: string): void {
  BENCHMARKS.forEach((_, index) => {
    const own = ["--expose-gc", script, "--benchmark", String(index)];
    const child = spawnSync(process.execPath, [...own, ...process.argv.slice(2)], {
      stdio: "inherit",
    });
    if (child.status !== 0) process.exitCode = 1;
  });
}

function runOne(index: number): void {
  const bench = BENCHMARKS[index];
  if (bench === undefined) throw new RangeError(`there is no benchmark ${index}`);
  const seconds = argument("--seconds", 8) / BENCHMARKS.length;
  const result = bench(argument("--filters", 1_000_000), seconds);
  console.log(describe(result));
  const { version, arch, platform } = process;
  console.log(JSON.stringify({ environment: { version, arch, platform }, result }));
}

const script = fileURLToPath(import.meta.url);
if (process.argv[1] === script) {
  const index = argument("--benchmark", -1);
  if (index < 0) runInProcesses(script);
  else runOne(index);
}
