import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng } from "../../../src/shared/base/prng.ts";
import type { RangeDescriptor } from "../../../src/shared/range/range-descriptor.ts";
import { RangeRig, SERVICE } from "../../helpers/range-rig.ts";

/** More find more: RANGE_SEEDS=5000 node --test ... */
const SEEDS = Number(process.env["RANGE_SEEDS"] ?? 12);
const FIRST_SEED = Number(process.env["RANGE_FIRST_SEED"] ?? 1);
const KEYS = [3, 60, 100, 140, 180, 220, 250];

interface Run {
  readonly rig: RangeRig;
  readonly random: Prng;
  /** By proposer and key: the last number proposed. */
  readonly last: Map<string, number>;
}

function proposeSome(run: Run, workers: number): void {
  const { rig, random, last } = run;
  const thread = 1 + random.below(workers);
  // Before the first directory there is nobody to propose to.
  if (rig.worker(thread).client.directory.version === 0) return;
  const key = KEYS[random.below(KEYS.length)]!;
  const name = `${thread}:${key}`;
  const number = (last.get(name) ?? 0) + 1;
  last.set(name, number);
  rig.propose(thread, key, number);
}

function keyWithin({ start, end }: RangeDescriptor, random: Prng): Uint8Array {
  const low = (start[0] ?? 0) + 1;
  const high = end?.[0] ?? 256;
  return Uint8Array.of(low + random.below(Math.max(1, high - low)));
}

/** What the node has been told to change; what comes of it is the life cycle's matter. */
function changeSome({ rig, random }: Run): void {
  const ranges = rig.main.groups.directory.of(SERVICE);
  const range = ranges[random.below(ranges.length)];
  if (range === undefined) return;
  const { lifeCycle } = rig.main;
  const change =
    random.below(2) === 0
      ? lifeCycle.split(range.id, keyWithin(range, random))
      : lifeCycle.merge(range.id);
  change.catch(() => {});
}

function check({ rig, last }: Run, seed: number): void {
  const lists = rig.lists();
  for (const [name, count] of last) {
    const [proposer, key] = name.split(":").map(Number) as [number, number];
    const list = (lists.get(key) ?? []).filter((event) => event.proposer === proposer);
    const numbers = list.map(({ number }) => number);
    for (let at = 1; at < numbers.length; at++) {
      const text = `seed ${seed}, ${name}: once and in order, ${numbers.join(" ")}`;
      assert.ok(numbers[at]! > numbers[at - 1]!, text);
    }
    assert.ok(numbers.every((number) => number <= count));
  }
  for (const { proposer, key, number } of rig.acknowledged) {
    const isThere = lists
      .get(key)
      ?.some((event) => event.proposer === proposer && event.number === number);
    assert.ok(isThere, `seed ${seed}: acknowledged ${proposer}:${key}:${number} is lost`);
  }
  assert.deepEqual(rig.fatal, [], `seed ${seed}`);
}

function checkBounds({ rig }: Run, seed: number): void {
  const ranges = rig.main.groups.directory.of(SERVICE);
  assert.equal(ranges[0]?.start.length, 0, `seed ${seed}`);
  for (let at = 0; at < ranges.length; at++) {
    const { end } = ranges[at]!;
    assert.deepEqual(end, ranges[at + 1]?.start ?? null, `seed ${seed}: no gap, no overlap`);
  }
}

async function runSeed(seed: number, crashes: number, restartsWorkers: boolean): Promise<void> {
  const random = new Prng(seed);
  const workers = 1 + random.below(3);
  const stores = 1 + random.below(3);
  const rig = new RangeRig({ workers, stores, holdsCommits: true });
  const run: Run = { rig, random, last: new Map() };
  for (let crash = 0; crash <= crashes; crash++) {
    if (random.below(4) > 0) await rig.serve();
    const steps = 40 + random.below(600);
    for (let step = 0; step < steps; step++) {
      if (random.below(3) === 0) proposeSome(run, workers);
      if (random.below(30) === 0) changeSome(run);
      if (random.below(20) === 0) rig.main.tick(rig.nowMs);
      if (restartsWorkers && random.below(150) === 0) {
        rig.restartWorker(1 + random.below(workers));
      }
      await rig.step(random);
    }
    if (crash < crashes) rig.boot();
  }
  await rig.serve();
  await rig.settle();
  for (let tick = 0; tick < 3; tick++) {
    rig.main.tick(rig.nowMs);
    await rig.settle();
  }
  check(run, seed);
  checkBounds(run, seed);
  // Nobody waits for an answer that never comes.
  for (const { client } of rig.workers) assert.equal(client.openCount, 0, `seed ${seed}`);
  // Nothing is refused while all workers live: what a directory names is served.
  if (!restartsWorkers) assert.deepEqual(rig.refused, [], `seed ${seed}`);
  rig.boot();
  await rig.serve();
  check(run, seed);
}

test("ranges: whatever order things happen in, commands are applied once, in order", async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) await runSeed(seed, 0, false);
});

test("ranges: after a crash at any step everything acknowledged is there, once, in order", async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) await runSeed(seed, 3, false);
});

test("ranges: a worker that dies and comes back loses nothing acknowledged", async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) await runSeed(seed, 1, true);
});
